"""Errors that stop the pipeline before anything is deployed."""

from __future__ import annotations

from http import HTTPStatus

from modelserve.core.errors import ServeError


class PlanTooWide(ServeError):
    code = "PLAN_TOO_WIDE"
    status = HTTPStatus.CONFLICT


class PlanUnusable(ServeError):
    """The plan does not name the model that the functions will serve."""

    code = "PLAN_UNUSABLE"
    status = HTTPStatus.BAD_REQUEST


class TokenRefused(ServeError):
    """Google gives the account no identity token of its own."""

    code = "TOKEN_REFUSED"
    status = HTTPStatus.FORBIDDEN


class ArchiveTooSmall(ServeError):
    code = "ARCHIVE_TOO_SMALL"
    status = HTTPStatus.CONFLICT
