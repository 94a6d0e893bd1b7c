"""R20: what a version or a request has taken is given back. Descriptors, threads and memory of the container's process."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
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
from soaking.watch import Moment, anonymous, slope

if TYPE_CHECKING:
    from models.library import Library  # imports mlflow, which takes seconds

LOADS, WARM_LOADS = 100, 20
MOST_KIB_PER_LOAD = 6.0
REQUESTS_PER_STEP, STEPS, WARM_STEPS = 500, 30, 10
MOST_KIB_PER_STEP = 8.0  # 16 bytes a request


@contextmanager
def serving_two(models: Library, path: Path, runtime: str) -> Iterator[Served]:
    """Versions 1 and 2, the second active."""
    for value in (1.0, 2.0):
        release(path / "store", "c", models.constant(value), runtime=runtime)
    uri = {"MODEL_URI": f"{path}/store/models/c@champion", "MODEL_TRUST": "pickle", "MODEL_REFRESH_SECONDS": "0.05"}
    with hosting("http", path / "log", uri) as made:
        yield made


def activate(served: Served, store: Path, version: str) -> None:
    promote(open_objects(parse_store(str(store))), "c", version, "champion")
    served.child.wait_until(lambda: served.client.get("/health").headers["x-model-version"] == version)
    assert served.post("/predict", {"x": 1.0}).json() == {"prediction": float(version)}


def look(served: Served, number: int) -> Moment:
    """After so many steps."""
    process = psutil.Process(served.child.pid)
    return Moment(60.0 * number, anonymous(process.pid), process.num_fds(), process.num_threads())


def check(found: Sequence[Moment], most_kib_per_step: float) -> None:
    first, last = found[0], found[-1]
    assert last.descriptors - first.descriptors <= 2
    assert last.threads - first.threads <= 2
    assert slope(found) < most_kib_per_step, [moment.kib for moment in found]


@pytest.mark.parametrize("runtime", ["native", "compiled"])
def test_a_hundred_loads_and_retirements_leave_nothing(models: Library, tmp_path: Path, runtime: str) -> None:
    with serving_two(models, tmp_path, runtime) as served:
        threads = look(served, 0).threads
        found = []
        for number in range(LOADS):
            activate(served, tmp_path / "store", "12"[number % 2])
            # Once the version before has gone, and its threads with it.
            served.child.wait_until(lambda: look(served, 0).threads <= threads + 2)
            found.append(look(served, number))
    check(found[WARM_LOADS:], MOST_KIB_PER_LOAD)


@pytest.mark.parametrize("runtime", ["native", "compiled"])
def test_ten_thousand_requests_leave_nothing(models: Library, tmp_path: Path, runtime: str) -> None:
    with serving_two(models, tmp_path, runtime) as served, connected(served) as connection:
        found = []
        for number in range(STEPS):
            ask(connection, REQUESTS_PER_STEP)
            found.append(look(served, number))
    check(found[WARM_STEPS:], MOST_KIB_PER_STEP)


def ask(connection: socket.socket, requests: int) -> None:
    body = b'{"x":1.0}'
    for _ in range(requests):
        connection.sendall(POST % len(body) + body)
        answer = b""
        while not answer.endswith(b'{"prediction":2.0}'):
            chunk = connection.recv(65_536)
            assert chunk, answer
            answer += chunk
