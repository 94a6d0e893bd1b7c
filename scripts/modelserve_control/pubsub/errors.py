"""What a Pub/Sub call can be refused for. `NotFound` and `BadInput` are the data plane's."""

from __future__ import annotations

from http import HTTPStatus

from modelserve.errors import BadInput, NotFound, Overloaded, ServeError

__all__ = ["AlreadyExists", "BacklogFull", "BadInput", "NotFound", "Overloaded", "ServeError"]


class AlreadyExists(ServeError):
    code = "ALREADY_EXISTS"
    status = HTTPStatus.CONFLICT


class BacklogFull(Overloaded):
    """A subscription holds as many bytes as this machine will keep for it; publishing works again once it is drained."""

    code = "BACKLOG_FULL"
