from __future__ import annotations

from http import HTTPStatus

from modelserve.core.errors import PreconditionFailed, ServeError, Unavailable


class ComputeFailed(ServeError):
    code = "COMPUTE_FAILED"
    status = HTTPStatus.BAD_GATEWAY


class NotShared(ServeError):
    """The URL map does not share requests between the two backend services that Terraform's fallback makes."""

    code = "NOT_SHARED"
    status = HTTPStatus.CONFLICT


class SideNotReady(Unavailable):
    code = "SIDE_NOT_READY"


class VersionsDiffer(PreconditionFailed):
    code = "VERSIONS_DIFFER"


class OpenToAnybody(ServeError):
    """The cluster answers callers that the function would refuse."""

    code = "OPEN_TO_ANYBODY"
    status = HTTPStatus.FORBIDDEN


class SideFailed(ServeError):
    """The side failed after it got more requests; the message says how they are shared out now."""

    code = "SIDE_FAILED"
    status = HTTPStatus.BAD_GATEWAY
