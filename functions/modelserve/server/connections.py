"""The bounds of one connection. Cloud Run's front end sets them for a function; in a cluster this server does.

A request that is too long is refused, a client that is too slow is disconnected, and the longest idle connection makes
room for a new one. `since` is the start of the current phase.
"""

from __future__ import annotations

import asyncio
import fcntl
import termios
from enum import Enum, auto
from typing import Any, Final, cast

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from modelserve.core.errors import ClientTooSlow, MalformedRequest, ServeError, TooManyConnections
from modelserve.core.settings import Settings
from modelserve.server import heads

# Requests of one connection that wait for the one before them. uvicorn parses whatever comes and keeps it, and a client
# that sends without reading would fill the memory; few clients send even two ahead.
MAX_AHEAD: Final = 100
# At the end of a drain a connection is closed when it has been idle for so many seconds: a client that has just
# connected, or was just answered, may be sending.
QUIET_SECONDS: Final = 0.25


class Bounds(ServerState):
    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.header_bytes = settings.max_header_bytes
        self.most = settings.max_connections
        self.idle_seconds = settings.idle_timeout_seconds
        self.client_seconds = settings.client_timeout_seconds
        self.draining = False

    @property
    def open(self) -> list[Connection]:
        return cast(list[Connection], list(self.connections))

    def make_room(self) -> bool:
        """Whether one more connection is accepted. If there are too many, the longest idle one is closed."""
        taken = [one for one in self.open if not one.refused]  # who was refused has no place to give up
        if len(taken) < self.most:
            return True
        idle = [one for one in taken if one.phase is Phase.IDLE and not one.transport.is_closing()]
        if not idle:
            return False
        min(idle, key=lambda connection: connection.since).transport.close()
        return True

    @property
    def overrun(self) -> bool:
        """Whether the refused connections that are still open reach the limit, since each costs a descriptor."""
        return sum(one.refused for one in self.open) >= self.most

    def sweep(self) -> None:
        for connection in self.open:
            connection.check()


class Phase(Enum):
    IDLE = auto()
    RECEIVING = auto()
    ANSWERING = auto()


class Parser(httptools.HttpRequestParser):
    """Serves a request that asks for another protocol in this one, as RFC 9110, 7.8 allows.

    httptools ends such a request with its head, so that its body would be read as the next request. Java's client asks for
    HTTP/2 in the first request of each connection.
    """

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self.connection = connection
        self.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn has it

    def feed_data(self, data: Any) -> None:
        while data:
            try:
                super().feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                if self.connection.refused:
                    return
                if self.get_method() == b"CONNECT":
                    raise httptools.HttpParserError("there is no tunnel here") from upgrade
                head = self.get_method(), self.connection.url, self.get_http_version()
                super().feed_data(heads.without_upgrade(*head, self.connection.headers))
                data = data[upgrade.args[0] :]
            else:
                return


class Connection(HttpToolsProtocol):
    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.parser = Parser(self)
        self.bounds = cast(Bounds, server_state)
        self.phase = Phase.IDLE
        self.since = self.loop.time()
        self.refused = False
        self.in_head = False
        self.received_whole = True
        self.head_bytes = 0  # of what the parser has given
        # What the parser has been given of a head and has not given back: it keeps a header until its end. Without the
        # piece in which the head begins, since that may have begun with the body before it.
        self.fed_bytes = 0
        self.heads = 0

    def enter(self, phase: Phase) -> None:
        self.phase = phase
        self.since = self.loop.time()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # uvicorn narrows it alike
        welcome = self.bounds.make_room()
        super().connection_made(transport)
        if not welcome and self.bounds.overrun:
            self.refused = True
            self.transport.abort()
        elif not welcome:
            self.refuse(TooManyConnections("Too many connections are open; try again later."))

    def data_received(self, data: bytes) -> None:
        if self.refused:  # what a client still sends until it has read why
            return
        before = self.heads
        super().data_received(data)
        if self.in_head and self.heads == before and not self.refused:
            self.fed_bytes += len(data)
            if max(self.fed_bytes, self.head_bytes) > self.bounds.header_bytes:
                self.refuse(heads.too_large(self.url, self.bounds.header_bytes))

    def check(self) -> None:
        seconds = self.loop.time() - self.since
        if seconds <= self.bounds.client_seconds:
            return
        closing = self.transport.is_closing() or (self.refused and self.phase is not Phase.ANSWERING)
        if self.phase is Phase.RECEIVING and not closing:
            self.too_slow()
        elif closing or self.transport.get_write_buffer_size() > 0:
            self.transport.abort()  # it does not read its answer
        elif self.phase is Phase.IDLE and not self.received_whole:
            self.transport.abort()  # it goes on sending what was answered
        elif self.phase is Phase.IDLE and seconds > self.bounds.idle_seconds:
            self.transport.close()

    def shutdown(self) -> None:
        """Close unless a request is to be answered. Called repeatedly at the end of a drain. uvicorn's own also closes
        a connection with a request that was not read yet, and resets the client."""
        if self.transport.is_closing():
            return
        if self.refused and self.phase is not Phase.ANSWERING:
            self.transport.close()
        elif self.phase is Phase.IDLE:
            if not self.received_whole or self.is_quiet():
                self.transport.close()
        elif self.cycle is not None:  # None while the head of the first request arrives
            self.cycle.keep_alive = False

    def is_quiet(self) -> bool:
        if self.loop.time() - self.since < QUIET_SECONDS:
            return False
        # Whether the system has received what this process has not read.
        descriptor: int = self.transport.get_extra_info("socket").fileno()
        return fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4)) == bytes(4)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.in_head, self.received_whole = True, False
        self.head_bytes = self.fed_bytes = 0
        self.heads += 1
        if self.phase is Phase.IDLE:
            self.enter(Phase.RECEIVING)

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self.head_bytes += len(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.in_head:  # a trailer: nothing here reads it, and it must not pass for a header
            return
        super().on_header(name, value)
        self.head_bytes += len(name) + len(value) + heads.HEADER_FRAME

    def on_headers_complete(self) -> None:
        if self.refused:
            return
        if self.head_bytes > self.bounds.header_bytes or len(self.headers) > heads.MAX_HEADERS:
            self.refuse(heads.too_large(self.url, self.bounds.header_bytes))
            return
        if self.parser.should_upgrade():  # it comes once more
            return
        self.in_head = False
        if error := heads.find_error(self.parser.get_http_version(), self.url, self.headers):
            self.refuse(error)
            return
        if len(self.pipeline) == MAX_AHEAD:
            self.refused = True  # without a word, which would be taken for the answer to a request before it
            self.transport.abort()
            return
        if self.phase is Phase.IDLE:  # its head began behind a request that was still being answered
            self.enter(Phase.RECEIVING)
        super().on_headers_complete()
        if self.bounds.draining:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        if not self.refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self.refused or self.parser.should_upgrade():
            return
        self.received_whole = True
        if self.phase is Phase.RECEIVING:
            self.enter(Phase.ANSWERING)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        if len(self.pipeline) == 1 and self.pipeline[0][0].more_body:
            self.enter(Phase.RECEIVING)
            if self.refused:  # that one was wrong, and its body never comes
                self.transport.close()
        else:
            # A client that still sends the body of an answered request has as long as any other to end it.
            self.enter(Phase.IDLE if not self.pipeline else Phase.ANSWERING)
        super().on_response_complete()

    def too_slow(self) -> None:
        if self.in_head or not self.cycle.response_started:
            self.refuse(ClientTooSlow(f"The request was not sent within {self.bounds.client_seconds:g} s."))
        else:
            self.transport.abort()

    def answers_first(self) -> bool:
        """Whether earlier requests wait for answers. The connection then ends after these, without an answer to what
        followed, which the client would take for the first of theirs."""
        if self.phase is not Phase.ANSWERING:
            return False
        self.refused = True
        self.cycle.keep_alive = False
        return True

    def send_400_response(self, msg: str) -> None:
        if self.received_whole or self.in_head or not self.cycle.response_started:
            self.refuse(MalformedRequest("This is not a valid HTTP request."))
        else:  # the body of a request that has its answer
            self.refused = True
            self.transport.close()

    def refuse(self, error: ServeError) -> None:
        if self.answers_first():
            return
        self.refused = True
        self.since = self.loop.time()
        if self.cycle is not None and not self.cycle.response_complete:  # nobody waits for its answer any more
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.flow.resume_reading()
        self.transport.write(heads.refusal(error))
        if self.transport.can_write_eof():
            self.transport.write_eof()
