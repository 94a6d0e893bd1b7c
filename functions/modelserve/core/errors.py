"""Every failure the data plane can answer with: a class carries its code, its status and whether a retry can help."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, ClassVar, TypedDict

Detail = Mapping[str, Any]


class Body(TypedDict):
    error_code: str
    message: str
    details: list[Detail]
    request_id: str


class ServeError(Exception):
    """The base. `message` is one sentence for a reader who must act; it never holds input values, paths or stacks.

    `retryable` says whether the same request can succeed later without being changed.
    """

    code: ClassVar[str] = "INTERNAL_ERROR"
    status: ClassVar[int] = HTTPStatus.INTERNAL_SERVER_ERROR
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, details: Sequence[Detail] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.details = list(details)

    @property
    def headers(self) -> dict[str, str]:
        return {}


# --- what the caller sent ---


class BadInput(ServeError):
    """The request can never succeed as it is."""

    code = "BAD_INPUT"
    status = HTTPStatus.BAD_REQUEST


class MalformedRequest(BadInput):
    """Not decodable: broken JSON, a duplicate key, an unknown form."""

    code = "MALFORMED_REQUEST"


class SignatureMismatch(BadInput):
    """Decodable, but some values do not fit the model's signature. `details` holds one entry per bad cell."""

    code = "SIGNATURE_MISMATCH"


class InvalidParams(BadInput):
    code = "INVALID_PARAMS"


class UnknownMethod(BadInput):
    code = "UNKNOWN_METHOD"

    def __init__(self, method: str, available: Sequence[str]) -> None:
        super().__init__(f"This model has no such predict_method; it has {', '.join(available)}.")
        self.method = method


class NotFound(BadInput):
    code = "NOT_FOUND"
    status = HTTPStatus.NOT_FOUND


class MethodNotAllowed(BadInput):
    code = "METHOD_NOT_ALLOWED"
    status = HTTPStatus.METHOD_NOT_ALLOWED

    def __init__(self, allowed: Sequence[str]) -> None:
        super().__init__(f"This address takes {' and '.join(allowed)}.")
        self.allowed = allowed

    @property
    def headers(self) -> dict[str, str]:
        return {"allow": ", ".join(self.allowed)}


class TooLarge(BadInput):
    code = "TOO_LARGE"
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class UnsupportedMediaType(BadInput):
    code = "UNSUPPORTED_MEDIA_TYPE"
    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class AddressTooLong(BadInput):
    code = "ADDRESS_TOO_LONG"
    status = HTTPStatus.REQUEST_URI_TOO_LONG


class HeadersTooLarge(BadInput):
    code = "HEADERS_TOO_LARGE"
    status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE


# --- what may work later ---


class Unavailable(ServeError):
    """Nothing is wrong with the request: ask again after `retry_after` seconds."""

    code = "UNAVAILABLE"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    retryable = True
    retry_after: ClassVar[int] = 1

    @property
    def headers(self) -> dict[str, str]:
        return {"retry-after": str(self.retry_after)}


class ModelNotReady(Unavailable):
    code = "MODEL_NOT_READY"


class Overloaded(Unavailable):
    code = "OVERLOADED"
    status = HTTPStatus.TOO_MANY_REQUESTS


class DeadlineExceeded(ServeError):
    code = "DEADLINE_EXCEEDED"
    status = HTTPStatus.GATEWAY_TIMEOUT
    retryable = True


class TooManyConnections(Unavailable):
    code = "TOO_MANY_CONNECTIONS"


class ClientTooSlow(ServeError):
    """The client did not send its request in time."""

    code = "CLIENT_TOO_SLOW"
    status = HTTPStatus.REQUEST_TIMEOUT
    retryable = True


class StoreUnavailable(Unavailable):
    code = "STORE_UNAVAILABLE"


class PublishFailed(Unavailable):
    code = "PUBLISH_FAILED"


# --- what is wrong with the model or its version ---


class ModelFailed(ServeError):
    """The model raised on rows that fit its signature, or has no answer for each. A later version may, so events retry it."""

    code = "MODEL_FAILED"
    retryable = True


class VersionUnusable(ServeError):
    """A version cannot be activated; the one that is active goes on serving."""

    code = "VERSION_UNUSABLE"


class LoadTimeout(VersionUnusable):
    """It was not ready in time. What hangs cannot be stopped, only left to itself."""

    code = "LOAD_TIMEOUT"


class ArtifactMissing(VersionUnusable):
    code = "ARTIFACT_MISSING"


class ArtifactCorrupt(VersionUnusable):
    code = "ARTIFACT_CORRUPT"


class VersionRefused(VersionUnusable):
    """Policy (`MODEL_TRUST`) does not allow loading it."""

    code = "VERSION_REFUSED"


class EnvironmentMismatch(VersionUnusable):
    """It was made with another Python or another version of a package that it unpickles with."""

    code = "ENVIRONMENT_MISMATCH"


class PreconditionFailed(ServeError):
    """Another writer was first."""

    code = "PRECONDITION_FAILED"
    status = HTTPStatus.CONFLICT


class BadSetting(ServeError):
    """A setting is missing or out of its range; the message names it."""

    code = "BAD_SETTING"


def body(error: BaseException, request_id: str) -> Body:
    """The one shape of every failure. Anything that is not a `ServeError` is a bug and says nothing about itself."""
    if not isinstance(error, ServeError):
        error = ServeError("The server failed; its log names this request id.")
    return {
        "error_code": error.code,
        "message": error.message,
        "details": error.details,
        "request_id": request_id,
    }
