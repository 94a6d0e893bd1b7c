"""R24, R22: several workers of one function, one of them killed; and requests at the same time, answered as one by one."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psutil
import pytest

from benchmarks.measure.forms import FORMS, Form
from benchmarks.measure.round import BULK_ROWS
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

THREADS, REQUESTS = 8, 1_000
BULK_REQUESTS = 30
BULK_FORMS = [FORMS[name] for name in ("plain", "dataframe_split", "v2", "binary", "csv", "parquet")]


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


def test_rows_of_every_form_at_the_same_time_are_answered_as_one_by_one(functions: Functions) -> None:
    """Each thread begins with another form, so that those of one form meet as well as those of several."""
    served = functions("two_outputs")
    chosen = [
        [BULK_FORMS[(thread + number) % len(BULK_FORMS)] for number in range(BULK_REQUESTS)]
        for thread in range(THREADS)
    ]
    asked = [
        [bulk(form, 1_000.0 * thread + number) for number, form in enumerate(own)] for thread, own in enumerate(chosen)
    ]
    one_by_one = [post_all(served, own) for own in asked]
    assert {status for own in one_by_one for status, _ in own} == {200}
    with ThreadPoolExecutor(THREADS) as pool:
        assert list(pool.map(lambda own: post_all(served, own), asked)) == one_by_one


@dataclass(frozen=True)
class Post:
    path: str
    body: bytes
    headers: Mapping[str, str]


def bulk(form: Form, start: float) -> Post:
    protocol = form.protocol
    body = protocol.encode([{"x": start + row / BULK_ROWS} for row in range(BULK_ROWS)])
    more = {name: str(value) for name, value in protocol.headers(body).items()}
    return Post(protocol.path.format(name="two_outputs"), body, {"content-type": protocol.content_type, **more})


def post_all(served: Served, asked: Sequence[Post]) -> list[tuple[int, Any]]:
    with httpx.Client(base_url=served.url, timeout=60, trust_env=False) as client:
        answers = [client.post(one.path, content=one.body, headers=one.headers) for one in asked]
    return [(answer.status_code, answer.json()) for answer in answers]


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
