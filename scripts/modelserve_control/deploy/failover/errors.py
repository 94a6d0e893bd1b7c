"""Errors before requests are moved, and after."""

from __future__ import annotations

from http import HTTPStatus

from modelserve.core.errors import PreconditionFailed, ServeError, Unavailable


class ComputeFailed(ServeError):
    """The compute API refused, did not answer, or an operation of it failed."""

    code = "COMPUTE_FAILED"
    status = HTTPStatus.BAD_GATEWAY


class NotShared(ServeError):
    """The URL map does not share requests between the two backend services that Terraform's fallback makes."""

    code = "NOT_SHARED"
    status = HTTPStatus.CONFLICT


class SideNotReady(Unavailable):
    """The side that would get more requests does not answer as it must."""

    code = "SIDE_NOT_READY"


class VersionsDiffer(PreconditionFailed):
    """The sides serve different models, or it is not known which."""

    code = "VERSIONS_DIFFER"


class OpenToAnybody(ServeError):
    """The cluster answers callers that the function would refuse."""

    code = "OPEN_TO_ANYBODY"
    status = HTTPStatus.FORBIDDEN


class SideFailed(ServeError):
    """The side failed after it got more requests; the message says how they are shared out now."""

    code = "SIDE_FAILED"
    status = HTTPStatus.BAD_GATEWAY
