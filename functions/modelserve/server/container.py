"""The server of a container: an application behind bounded connections, until SIGTERM and the drain that follows it.

`http` and `events` serve the application that functions-framework makes, so that clients cannot tell the hosts apart.
"""

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
    """Ends by `should_exit`. uvicorn would raise the signal again, as if the process had been killed."""

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
        """Answer what was sent before this process closes. uvicorn would reset connections that it has not read."""
        for connection in self.stop_listening():
            with suppress(OSError):  # its client has gone
                await asyncio.get_running_loop().connect_accepted_socket(
                    lambda: Connection(self.config, self.server_state, self.lifespan.state), connection
                )
        while self.bounds.connections or self.bounds.tasks:
            for one in self.bounds.open:
                one.shutdown()
            await asyncio.sleep(LOOKS)

    def stop_listening(self) -> list[socket.socket]:
        """Connections that are not accepted yet. Closing their listener would reset them."""
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


def run_function(kind: str) -> None:
    from functions_framework import aio

    import main

    make: Any = aio.create_asgi_app_from_module
    app = make(TARGETS[kind], main.__file__, None, main, main.__spec__)
    main.process.start()
    run(app, main.process, lambda: asyncio.sleep(main.process.settings.drain_seconds))


def run(app: Application, process: Process, drain: Step, work: Step | None = None) -> None:
    """Serve and `work` until SIGTERM, `drain`, and answer what was accepted. Exits with 1 if time runs out."""
    logs.configure_host()
    server = Server(app, process.settings)
    with asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner:
        runner.run(serve(server, process, drain, work))


async def serve(server: Server, process: Process, drain: Step, work: Step | None) -> None:
    settings = process.settings
    serving = asyncio.create_task(listen(server, process))
    tasks = [serving, asyncio.create_task(sweep(server.bounds))]
    if work is not None:
        tasks.append(asyncio.ensure_future(work()))
    await until_signal(tasks)
    # However long a model holds one of the threads that the interpreter would wait for.
    timer = threading.Timer(settings.drain_seconds + settings.predict_timeout_seconds + ENDING, os._exit, (1,))
    timer.daemon = True
    timer.start()
    process.active.draining = server.bounds.draining = True
    await drain()
    server.should_exit = True
    if not server.started:
        return
    try:
        async with asyncio.timeout(settings.predict_timeout_seconds + CLOSING):
            await serving
    except TimeoutError:
        logger.error("not everything that was accepted could be answered in time")
        raise SystemExit(1) from None


async def listen(server: Server, process: Process) -> None:
    if process.settings.load_before_listen:
        await process.active.first()
    await server.serve()


async def until_signal(tasks: Sequence[asyncio.Future[None]]) -> None:
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
