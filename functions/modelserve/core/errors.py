"""Every error of the data plane: a class has its code, its HTTP status, whether a retry can help, and the text of those that
several places raise (`TooLarge.over_limit`)."""

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
    """`message` is one sentence that says what to do, without input values, paths or stacks. `retryable` says
    whether the same request can succeed later."""

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


class BadInput(ServeError):
    """The request can never succeed without being changed."""

    code = "BAD_INPUT"
    status = HTTPStatus.BAD_REQUEST


class MalformedRequest(BadInput):
    code = "MALFORMED_REQUEST"


class SignatureMismatch(BadInput):
    """It can be decoded, but some values do not fit the model's signature. `details` has one entry per bad cell."""

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

    @classmethod
    def over_limit(cls, limit: int, unit: str, setting: str | None, what: str = "The request") -> TooLarge:
        """`setting` is None for a limit that cannot be set."""
        reason = f", the limit that {setting} sets" if setting else ""
        return cls(f"{what} has more than {limit:,} {unit}{reason}; use `modelserve score` for a batch.")


class UnsupportedMediaType(BadInput):
    code = "UNSUPPORTED_MEDIA_TYPE"
    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class AddressTooLong(BadInput):
    code = "ADDRESS_TOO_LONG"
    status = HTTPStatus.REQUEST_URI_TOO_LONG


class HeadersTooLarge(BadInput):
    code = "HEADERS_TOO_LARGE"
    status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE


class Unavailable(ServeError):
    """The request is good: send it again after `retry_after` seconds."""

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

    @classmethod
    def pending_rows(cls, limit: int) -> Overloaded:
        return cls(f"More than {limit:,} rows wait for the model, the limit that MAX_PENDING_ROWS sets.")


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


class ModelFailed(ServeError):
    """The model raised on rows that fit its signature, or gave no answer for some of them. Events are retried, because a
    later version may succeed."""

    code = "MODEL_FAILED"
    retryable = True


class VersionUnusable(ServeError):
    """A version cannot be activated. The active version stays."""

    code = "VERSION_UNUSABLE"


class LoadTimeout(VersionUnusable):
    """It was not ready in time. Its thread cannot be stopped and is left alone."""

    code = "LOAD_TIMEOUT"


class ArtifactMissing(VersionUnusable):
    code = "ARTIFACT_MISSING"


class ArtifactCorrupt(VersionUnusable):
    code = "ARTIFACT_CORRUPT"


class VersionRefused(VersionUnusable):
    """The policy (`MODEL_TRUST`) does not allow it to be loaded."""

    code = "VERSION_REFUSED"


class EnvironmentMismatch(VersionUnusable):
    """It was made with another Python, or with another version of a package that unpickles it."""

    code = "ENVIRONMENT_MISMATCH"


class PreconditionFailed(ServeError):
    code = "PRECONDITION_FAILED"
    status = HTTPStatus.CONFLICT

    def __init__(self, message: str = "Another writer was first.") -> None:
        super().__init__(message)


class BadSetting(ServeError):
    """A setting is missing or out of range; the message names it."""

    code = "BAD_SETTING"


def body(error: BaseException, request_id: str) -> Body:
    """The response body of an error. The text of an error that is not a `ServeError` is not shown."""
    if not isinstance(error, ServeError):
        error = ServeError("The server failed; its log names this request id.")
    return {
        "error_code": error.code,
        "message": error.message,
        "details": error.details,
        "request_id": request_id,
    }


def join_reasons(details: Sequence[Detail]) -> str:
    """Each as `column: reason`; a reason of a whole row has no column."""
    return "; ".join(": ".join(filter(None, (detail["column"], detail["reason"]))) for detail in details)
