"""An address at which nobody listens, and nobody else can: a port that is only free may be another's a moment later."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def unheard() -> Iterator[str]:
    """`127.0.0.1:port`; a connection is refused."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"
