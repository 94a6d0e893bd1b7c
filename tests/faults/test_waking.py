"""Processes that slept: after waking none answers with a version that was taken away, unless the store is away, too."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import psutil
import pytest

from bucket_server import BucketServer
from faults.proxy import Fault, Proxy
from hosting import hosting, pulled
from modelserve.core.freshness import clock
from modelserve.store.buckets.open import open_objects
from modelserve.store.names.locations import parse_store
from modelserve_control.registry.promote import promote
from serving import Functions, Served, release, serving
from stores import put

STALE_SECONDS = 1.0
INSTANCES = 20
SETTINGS = {"MODEL_TRUST": "pickle", "MODEL_REFRESH_SECONDS": "0.2", "MODEL_MAX_STALE_SECONDS": str(STALE_SECONDS)}
BODY = b'{"x": 1.0}'
POST = b"POST %s HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s"


@pytest.fixture
def store(functions: Functions, tmp_path: Path) -> Path:
    """Versions 1 and 2, compiled; champion is 2."""
    for value in (1.0, 2.0):
        release(tmp_path / "store", "constant", functions.models.constant(value), runtime="compiled")
    return tmp_path / "store"


def point(store: str | Path, version: str) -> None:
    with closing(open_objects(parse_store(str(store)))) as objects:
        promote(objects, "constant", version, "champion")


@contextmanager
def asleep(served: Served) -> Iterator[None]:
    """For longer than a version may be stale."""
    host = psutil.Process(served.child.pid)
    processes = [host, *host.children(recursive=True)]
    for process in processes:
        os.kill(process.pid, signal.SIGSTOP)
    began = clock()
    try:
        yield
        served.child.wait_until(lambda: clock() > began + STALE_SECONDS)
    finally:
        for process in processes:
            os.kill(process.pid, signal.SIGCONT)


def send(served: Served, path: bytes, body: bytes) -> socket.socket:
    host, port = served.url.removeprefix("http://").split(":")
    made = socket.create_connection((host, int(port)), timeout=60)
    made.sendall(POST % (path, len(body), body))
    return made


def version(connection: socket.socket) -> str:
    answer = b""
    while data := connection.recv(1 << 16):
        answer += data
    head = answer.partition(b"\r\n\r\n")[0].decode().lower().split("\r\n")
    assert head[0].startswith("http/1.1 200"), answer
    return next(line.partition(": ")[2] for line in head if line.startswith("x-model-version"))


@pytest.mark.parametrize("host", ["function", "container", "events"])
def test_no_request_that_wakes_a_process_is_answered_by_the_version_that_was_taken_away(
    host: str, store: Path, tmp_path: Path
) -> None:
    environ = SETTINGS | {"MODEL_URI": f"{store}/models/constant@champion", "DRY_RUN": "true"}
    event = b'{"message": {"messageId": "1", "data": "eyJ4IjogMS4wfQ=="}}'
    path, body = (b"/", event) if host == "events" else (b"/predict", BODY)
    with ExitStack() as stack:
        started = serving(tmp_path / "log", environ) if host == "function" else None
        kind = "events" if host == "events" else "http"
        served = stack.enter_context(started or hosting(kind, tmp_path / "log", environ))
        with closing(send(served, path, body)) as first:
            assert version(first) == "2"
        with asleep(served):
            point(store, "1")
            woken = [stack.enter_context(closing(send(served, path, body))) for _ in range(5)]
        assert [version(one) for one in woken] == ["1"] * 5


def test_twenty_instances_are_woken_at_once_and_none_answers_with_the_version_that_was_taken_away(
    store: Path, tmp_path: Path
) -> None:
    environ = SETTINGS | {"MODEL_URI": f"{store}/models/constant@champion"}
    with ExitStack() as stack:
        instances = [stack.enter_context(serving(tmp_path / f"{number}.log", environ)) for number in range(INSTANCES)]
        with ExitStack() as sleep:
            for one in instances:
                sleep.enter_context(asleep(one))
            point(store, "1")
            woken = [stack.enter_context(closing(send(one, b"/predict", BODY))) for one in instances]
        assert [version(one) for one in woken] == ["1"] * INSTANCES


def test_no_message_that_wakes_a_worker_is_scored_by_the_version_that_was_taken_away(
    store: Path, tmp_path: Path
) -> None:
    environ = SETTINGS | {"MODEL_URI": f"{store}/models/constant@champion"}
    with pulled("asleep") as pulls, hosting("worker", tmp_path / "log", environ | pulls.settings) as worker:
        pulls.publish(BODY)
        assert [one.attributes["model_version"] for one in pulls.predictions(1)] == ["2"]
        with asleep(worker):
            point(store, "1")
            pulls.publish(*[BODY] * 5)
        assert [one.attributes["model_version"] for one in pulls.predictions(5)] == ["1"] * 5


def test_a_store_that_does_not_answer_is_waited_for_shortly_and_what_is_stale_is_counted(
    functions: Functions, gcs: BucketServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = gcs.bucket("asleep")
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs.url)
    with closing(open_objects(parse_store(store))) as objects:
        for _ in range(2):
            put(objects, "constant", functions.models.constant(1.0))
        promote(objects, "constant", "2", "champion")
    with Proxy(gcs.url) as proxy:
        environ = SETTINGS | {"MODEL_URI": f"{store}/models/constant@champion", "STORAGE_EMULATOR_HOST": proxy.url}
        with serving(tmp_path / "log", environ | {"METRICS": "true"}) as served:
            proxy.script([Fault("stall-after-0", "aliases/champion")])
            served.child.wait_until(proxy.stalled.is_set)
            with asleep(served):
                point(store, "1")
                woken = send(served, b"/predict", BODY)
            with closing(woken):
                assert version(woken) == "2"
            assert "modelserve_stale_total 1.0" in served.client.get("/metrics").text
            assert "the alias may name another one" in served.child.log.read_text()
