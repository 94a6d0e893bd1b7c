"""R20: what a version or a request has taken is given back. Descriptors, threads and memory of the container's process."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from faults.clients import POST, connected
from hosting import hosting
from modelserve.store.buckets.open import open_objects
from modelserve.store.names.locations import parse_store
from modelserve_control.registry.promote import promote
from serving import Served, release
from soaking.watch import Moment, anonymous_kib, slope

if TYPE_CHECKING:
    from models.library import Library  # imports mlflow, which takes seconds

# Caches fill for a while, so it is the last loads that must leave nothing. A leak has no such loads: one of 3 KiB has grown
# by 2.6 KiB a load or more over any 60, and without one it was below 1 after 100.
WARM_LOADS, LAST_LOADS, MAX_LOADS = 20, 60, 200
MAX_KIB_PER_LOAD = 1.5
REQUESTS_PER_STEP, STEPS, WARM_STEPS = 500, 30, 10
MAX_KIB_PER_STEP = 8.0  # 16 bytes a request


@contextmanager
def serving_two(models: Library, path: Path, runtime: str) -> Iterator[Served]:
    """Versions 1 and 2, the second active."""
    for value in (1.0, 2.0):
        release(path / "store", "c", models.constant(value), runtime=runtime)
    settings = {
        "MODEL_URI": f"{path}/store/models/c@champion",
        "MODEL_TRUST": "pickle",
        "MODEL_REFRESH_SECONDS": "0.05",
    }
    # With a heap for each thread the memory of a process moves by hundreds of KiB that nobody has leaked.
    with hosting("http", path / "log", settings | {"MALLOC_ARENA_MAX": "1"}, cold=True) as made:
        yield made


def activate(served: Served, store: Path, version: str) -> None:
    promote(open_objects(parse_store(str(store))), "c", version, "champion")
    served.child.wait_until(lambda: served.client.get("/health").headers["x-model-version"] == version)
    assert served.post("/predict", {"x": 1.0}).json() == {"prediction": float(version)}


def look(served: Served, number: int) -> Moment:
    """After so many steps."""
    process = psutil.Process(served.child.pid)
    return Moment(60.0 * number, anonymous_kib(process.pid), process.num_fds(), process.num_threads())


def check_counts(first: Moment, last: Moment) -> None:
    assert last.descriptors - first.descriptors <= 2
    assert last.threads - first.threads <= 2


@pytest.mark.parametrize("runtime", ["native", "compiled"])
def test_a_hundred_loads_and_retirements_leave_nothing(models: Library, tmp_path: Path, runtime: str) -> None:
    with serving_two(models, tmp_path, runtime) as served:
        threads = look(served, 0).threads
        found: list[Moment] = []
        growing = True
        while growing and len(found) < MAX_LOADS:
            activate(served, tmp_path / "store", "12"[len(found) % 2])
            # Once the version before has gone, and its threads with it.
            served.child.wait_until(lambda: look(served, 0).threads <= threads + 2)
            found.append(look(served, len(found)))
            growing = len(found) < WARM_LOADS + LAST_LOADS or slope(found[-LAST_LOADS:]) >= MAX_KIB_PER_LOAD
    check_counts(found[WARM_LOADS], found[-1])
    assert not growing, [moment.kib for moment in found]


@pytest.mark.parametrize("runtime", ["native", "compiled"])
def test_ten_thousand_requests_leave_nothing(models: Library, tmp_path: Path, runtime: str) -> None:
    with serving_two(models, tmp_path, runtime) as served, connected(served) as connection:
        found = []
        for number in range(STEPS):
            ask(connection, REQUESTS_PER_STEP)
            found.append(look(served, number))
    check_counts(found[WARM_STEPS], found[-1])
    assert slope(found[WARM_STEPS:]) < MAX_KIB_PER_STEP, [moment.kib for moment in found]


def ask(connection: socket.socket, requests: int) -> None:
    body = b'{"x":1.0}'
    for _ in range(requests):
        connection.sendall(POST % len(body) + body)
        answer = b""
        while not answer.endswith(b'{"prediction":2.0}'):
            chunk = connection.recv(65_536)
            assert chunk, answer
            answer += chunk
