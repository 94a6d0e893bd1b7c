"""One server of a container: an application behind bounded connections, until SIGTERM and the drain that follows it.

The application of `http` and `events` is the one that functions-framework makes of the two functions, so that no client
can tell which of the hosts it talks to.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final

import uvicorn

from modelserve.core import logs
from modelserve.core.settings import Settings
from modelserve.server.connections import Bounds, Connection
from modelserve.server.process import Process

logger = logging.getLogger(__name__)

Application = Any  # ASGI; uvicorn and starlette each have a type of their own for it
Step = Callable[[], Awaitable[None]]
TARGETS: Final = {"http": "predict", "events": "predict_event"}

SWEEPS: Final = 4  # in the time that a client may take
# After the drain and the longest request: for closing what is open, then for what has not closed. With the defaults of
# the settings the process has ended 9.6 s after SIGTERM.
CLOSING, ENDING = 0.4, 0.6  # seconds
LOOKS: Final = 0.02  # seconds between two looks at who is still to be answered at the end


class Server(uvicorn.Server):
    """Ended by `should_exit` alone: uvicorn would raise the signal again at its end, so that the process would seem to
    have been killed."""

    def __init__(self, app: Application, settings: Settings) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=settings.host,
                port=settings.aip_http_port or settings.port,
                http=Connection,
                interface="asgi3",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                timeout_keep_alive=settings.idle_timeout_seconds,
            )
        )
        self.bounds = self.server_state = Bounds(settings)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer whatever was sent before this process closes; uvicorn's own resets clients that it has not read."""
        for connection in self.stop_listening():
            with suppress(OSError):  # its client has gone
                await asyncio.get_running_loop().connect_accepted_socket(self.make_connection, connection)
        while self.bounds.connections or self.bounds.tasks:
            for one in self.bounds.open:
                one.shutdown()
            await asyncio.sleep(LOOKS)

    def stop_listening(self) -> list[socket.socket]:
        """The connections that nobody has accepted yet: closing their listener would reset them."""
        listeners = [socket.socket(fileno=os.dup(one.fileno())) for server in self.servers for one in server.sockets]
        for server in self.servers:
            server.close()
        waiting = []
        for listener in listeners:
            with listener, suppress(OSError):
                listener.setblocking(False)
                while True:
                    waiting.append(listener.accept()[0])
        return waiting

    def make_connection(self) -> Connection:
        return Connection(self.config, self.server_state, self.lifespan.state)


def run_function(kind: str) -> None:
    from functions_framework import aio

    import main

    make: Any = aio.create_asgi_app_from_module
    app = make(TARGETS[kind], main.__file__, None, main, main.__spec__)
    main.process.start()
    run(app, main.process, lambda: asyncio.sleep(main.process.settings.drain_seconds))


def run(app: Application, process: Process, drain: Step, work: Step | None = None) -> None:
    """Serve and `work` until SIGTERM, then `drain`, answer what was accepted, and return.

    Exits with 1 when time runs out first.
    """
    logs.configure_host()
    server = Server(app, process.settings)
    with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
        runner.run(serve(server, process, drain, work))


async def serve(server: Server, process: Process, drain: Step, work: Step | None) -> None:
    settings = process.settings
    serving = asyncio.create_task(server.serve())
    tasks = [serving, asyncio.create_task(sweep(server.bounds))]
    if work is not None:
        tasks.append(asyncio.ensure_future(work()))
    await until_signal(tasks)
    end_within(settings.drain_seconds + settings.predict_timeout_seconds + ENDING)
    process.active.draining = server.bounds.draining = True
    await drain()
    server.should_exit = True
    try:
        async with asyncio.timeout(settings.predict_timeout_seconds + CLOSING):
            await serving
    except TimeoutError:
        logger.error("not everything that was accepted could be answered in time")
        raise SystemExit(1) from None


async def until_signal(tasks: Sequence[asyncio.Future[None]]) -> None:
    """Raises what ends one of the tasks first; none may end by itself."""
    signalled = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, signalled.set)
    waiting: asyncio.Future[Any] = asyncio.create_task(signalled.wait())
    await asyncio.wait([*tasks, waiting], return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        if task.done():
            task.result()
            raise SystemExit(1)


async def sweep(bounds: Bounds) -> None:
    while True:
        await asyncio.sleep(bounds.client_seconds / SWEEPS)
        bounds.sweep()


def end_within(seconds: float) -> None:
    """However long a model holds one of the threads that the interpreter would wait for."""
    timer = threading.Timer(seconds, os._exit, (1,))
    timer.daemon = True
    timer.start()
