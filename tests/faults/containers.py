"""A container of the function with few connections, and what is seen of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psutil

from hosting import hosting
from serving import Served, release

if TYPE_CHECKING:
    from models.library import Library  # imports mlflow, which takes seconds

MOST: Final = 8  # connections
HEADERS: Final = 4_096  # bytes
BOUNDS: Final = {
    "MAX_CONNECTIONS": str(MOST),
    "MAX_HEADER_BYTES": str(HEADERS),
    "MAX_REQUEST_BYTES": "100000",
    "DRAIN_SECONDS": "0",
}


@contextmanager
def container(models: Library, path: Path, client_seconds: int, idle_seconds: int) -> Iterator[Served]:
    release(path / "store", "two", models.path("two_outputs"), runtime="compiled")
    uri = {"MODEL_URI": f"{path}/store/models/two@champion", "MODEL_TRUST": "pickle"}
    times = {"CLIENT_TIMEOUT_SECONDS": str(client_seconds), "IDLE_TIMEOUT_SECONDS": str(idle_seconds)}
    with hosting("http", path / "log", uri | BOUNDS | times) as made:
        yield made


def empty(served: Served) -> Served:
    """Once the clients of other tests are gone: they would have places."""
    served.child.wait_until(lambda: connections(served) == 0)
    return served


def connections(served: Served) -> int:
    """How many connections the server has open, as the system tells."""
    found = psutil.Process(served.child.pid).net_connections("tcp")
    return sum(one.status != psutil.CONN_LISTEN for one in found)


def good(served: Served) -> bool:
    """Whoever sends in time is answered; who stood still for longer than the server waits is asked to try again."""
    for _ in range(10):
        answer = served.post("/predict", {"x": 1.0}, headers={"connection": "close"})
        if answer.status_code != 408:
            break
    return answer.status_code == 200
