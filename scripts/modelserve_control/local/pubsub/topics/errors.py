"""What a Pub/Sub call can be refused for. `NotFound` and `BadInput` are the data plane's."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus

from modelserve.core.errors import BadInput, NotFound, Overloaded, ServeError

__all__ = ["AckRefused", "AlreadyExists", "BacklogFull", "BadInput", "NotFound", "Overloaded", "ServeError"]


class AlreadyExists(ServeError):
    code = "ALREADY_EXISTS"
    status = HTTPStatus.CONFLICT


class AckRefused(ServeError):
    """Acks or deadlines that came after their ack deadline, of a subscription with exactly-once delivery; the others in
    the same request were taken."""

    code = "ACK_REFUSED"
    status = HTTPStatus.CONFLICT

    def __init__(self, ack_ids: Sequence[str]) -> None:
        super().__init__("Some acknowledgement ids in the request were invalid.")
        self.ack_ids = list(ack_ids)


class BacklogFull(Overloaded):
    """A subscription holds as many bytes as this machine will keep for it; publishing works again once it is drained."""

    code = "BACKLOG_FULL"
