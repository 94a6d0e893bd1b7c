"""The errors of Pub/Sub calls. `NotFound`, `BadInput` and `Overloaded` are those of the data plane."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus

from modelserve.core.errors import BadInput, NotFound, Overloaded, ServeError

__all__ = [
    "AckRefused",
    "AlreadyExists",
    "BacklogFull",
    "BadInput",
    "FailedPrecondition",
    "NotFound",
    "Overloaded",
    "ServeError",
    "Unsupported",
]


class AlreadyExists(ServeError):
    code = "ALREADY_EXISTS"
    status = HTTPStatus.CONFLICT


class AckRefused(ServeError):
    """Ack ids that came too late, of a subscription with exactly-once delivery. The others of the request were accepted."""

    code = "ACK_REFUSED"
    status = HTTPStatus.CONFLICT

    def __init__(self, ack_ids: Sequence[str]) -> None:
        super().__init__("Some acknowledgement ids in the request were invalid.")
        self.ack_ids = list(ack_ids)


class BacklogFull(Overloaded):
    """A subscription holds as many bytes as this server keeps for one. Publishing works again after messages are acked."""

    code = "BACKLOG_FULL"


class Unsupported(ServeError):
    """The service has it, and this server does not."""

    code = "UNSUPPORTED"
    status = HTTPStatus.NOT_IMPLEMENTED


class FailedPrecondition(ServeError):
    """Things that exist do not go together."""

    code = "FAILED_PRECONDITION"
    status = HTTPStatus.CONFLICT
