"""functions-framework's server opens its port when the first version is active, so that a probe of the port means ready.

gunicorn's master would listen before it starts a worker. Here it only binds the port, and uvicorn, in a worker, listens
once the worker has loaded its version. The hooks are defaults of gunicorn's settings, since functions-framework sets none.
"""

import socket
from collections.abc import Callable
from typing import Any


def open_after(load: Callable[[], object]) -> None:
    """`load` is called in each worker before it listens. Its master does not expect a sign of life before the first one."""
    from gunicorn import config  # type: ignore[import-untyped]  # it comes without types

    def wait(worker: Any) -> None:
        load()

    config.OnStarting.default = staticmethod(bind)
    config.PostWorkerInit.default = staticmethod(wait)


def bind(server: Any) -> None:
    server.LISTENERS = [bind_socket(address) for address in server.cfg.address]


def bind_socket(address: tuple[str, int]) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setblocking(False)
    try:
        sock.bind(address)
    except OSError as error:
        raise SystemExit(f"modelserve: port {address[1]} cannot be bound: {error.strerror}.") from None
    return sock
