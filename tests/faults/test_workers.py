"""R24, R22: several workers of one function, one of them killed; and requests at the same time, answered as one by one."""

from __future__ import annotations

import json
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psutil
import pytest

from bucket_server import BucketServer
from contract.twins import functions
from faults.clients import POST, connected
from faults.proxy import Proxy
from modelserve.store.buckets.open import open_objects
from modelserve.store.names.locations import parse_store
from modelserve_control.registry.promote import promote
from serving import Functions, Served, serving
from stores import put

if TYPE_CHECKING:
    from models.library import Library  # imports mlflow, which takes seconds

__all__ = ["functions"]

THREADS, REQUESTS = 8, 250


def test_a_killed_worker_is_replaced_while_the_other_answers(
    models: Library, gcs: BucketServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The functions run in one worker; WORKERS is the host's own setting. The cache is shared: nothing is fetched twice."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs.url)
    store = gcs.bucket("workers")
    with closing(open_objects(parse_store(store))) as objects:
        promote(objects, "two", put(objects, "two", models.path("two_outputs")), "champion")
    cache = tmp_path / "cache"
    with Proxy(gcs.url) as proxy:
        settings = {
            "MODEL_URI": f"{store}/models/two@champion",
            "MODEL_CACHE_DIR": str(cache),
            "STORAGE_EMULATOR_HOST": proxy.url,
            "WORKERS": "2",
        }
        with serving(tmp_path / "log", settings) as served:
            served.child.wait_until(lambda: activations(served) == 2)
            first, other = workers(served)
            first.kill()
            served.child.wait_until(lambda: first not in workers(served))
            assert answer(served) == {"prediction": [1.0, -1.0]}
            served.child.wait_until(lambda: activations(served) == 3)
            assert other in workers(served)
            assert len(workers(served)) == 2
            for _ in range(20):  # by either
                assert answer(served) == {"prediction": [1.0, -1.0]}
        assert proxy.count(r"model\.skops.*alt=media") == 1
    assert not list(cache.glob(".incoming*"))


def workers(served: Served) -> list[psutil.Process]:
    return [one for one in psutil.Process(served.child.pid).children() if is_alive(one)]


def is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:  # it has ended since it was listed
        return False


def activations(served: Served) -> int:
    return served.child.log.read_text().count("version activated")


def answer(served: Served) -> Any:
    """On a connection of its own."""
    return httpx.post(f"{served.url}/predict", json={"x": 1.0}, trust_env=False, timeout=30).json()


def test_requests_at_the_same_time_are_answered_as_one_by_one(functions: Functions) -> None:
    served = functions("two_outputs")
    rows = [[number + thread / THREADS for number in range(REQUESTS)] for thread in range(THREADS)]
    one_by_one = [ask(served, own) for own in rows]
    with ThreadPoolExecutor(THREADS) as pool:
        assert list(pool.map(lambda own: ask(served, own), rows)) == one_by_one
    assert one_by_one[1][0]["prediction"] == pytest.approx([1 / THREADS, -1 / THREADS])


def ask(served: Served, xs: Sequence[float]) -> list[Any]:
    """The answer to each row, asked for alone, on one connection."""
    answers = []
    with connected(served) as connection:
        for x in xs:
            body = json.dumps({"x": x}).encode()
            connection.sendall(POST % len(body) + body)
            answers.append(read_answer(connection))
    return answers


def read_answer(connection: socket.socket) -> Any:
    received = b""
    while b"\r\n\r\n" not in received or not received.endswith(b"}"):
        chunk = connection.recv(65_536)
        assert chunk, received
        received += chunk
    return json.loads(received.partition(b"\r\n\r\n")[2])
