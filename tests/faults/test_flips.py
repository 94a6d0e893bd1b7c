"""An alias that moves under load: no failed request, and every answer is that of the version it names."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import psutil
import pytest
import urllib3

from modelserve.models.active import INITIAL_BACKOFF
from modelserve.store.buckets.open import open_objects
from modelserve.store.names.locations import parse_store
from modelserve_control.registry.promote import promote
from serving import Functions, Served, release, serving
from soaking.watch import anonymous_kib

FLIPS = 50
CLIENTS = 4
WARM_FLIPS = 5


@pytest.fixture
def store(functions: Functions, tmp_path: Path) -> Path:
    """Versions 1 and 2, whose answers are 1 and 2."""
    for value in (1.0, 2.0):
        release(tmp_path / "store", "constant", functions.models.constant(value))
    return tmp_path / "store"


def settings(store: Path) -> dict[str, str]:
    uri = f"{store}/models/constant@champion"
    return {"MODEL_URI": uri, "MODEL_TRUST": "pickle", "MODEL_REFRESH_SECONDS": "0.05"}


Answer = tuple[int, str, float]


def ask(served: Served, stop: threading.Event, seen: list[Answer], pause: float = 0.0) -> None:
    """Adds (status, version named, value) of every answer until told to stop. `pause`: seconds between two requests."""
    # httpx takes more processor for a request than the server does.
    with urllib3.connection_from_url(served.url, timeout=30, retries=False) as pool:
        while not stop.wait(pause):
            answer = pool.request("POST", "/predict", json={"x": 1.0})
            seen.append((answer.status, answer.headers["x-model-version"], answer.json().get("prediction")))


def flip(served: Served, store: Path, version: str) -> None:
    """Move the alias and wait until the function answers with it."""
    promote(open_objects(parse_store(str(store))), "constant", version, "champion")
    served.child.wait_until(lambda: served.client.get("/health").headers["x-model-version"] == version)


def answered(served: Served, seen: Sequence[Sequence[Answer]]) -> None:
    """Wait until each client has one more answer."""
    before = [len(own) for own in seen]
    served.child.wait_until(lambda: all(len(own) > count for own, count in zip(seen, before, strict=True)))


def test_fifty_flips_under_load(store: Path, tmp_path: Path) -> None:
    stop = threading.Event()
    seen: list[list[Answer]] = [[] for _ in range(CLIENTS)]
    with serving(tmp_path / "log", settings(store), cold=True) as served, ThreadPoolExecutor(CLIENTS) as pool:
        asking = [pool.submit(ask, served, stop, own) for own in seen]
        try:
            memory = []
            for number in range(FLIPS):
                flip(served, store, "12"[number % 2])
                answered(served, seen)
                memory.append(anonymous_kib(worker(served).pid))
        finally:
            stop.set()
        for future in asking:
            future.result()
    answers = [answer for own in seen for answer in own]
    assert {status for status, _, _ in answers} == {200}
    assert {(version, value) for _, version, value in answers} == {("1", 1.0), ("2", 2.0)}
    assert len(answers) >= CLIENTS * FLIPS
    assert median(memory[-WARM_FLIPS:]) <= 1.1 * median(memory[WARM_FLIPS : 2 * WARM_FLIPS])


def worker(served: Served) -> psutil.Process:
    """The one that the host serves from."""
    (found,) = psutil.Process(served.child.pid).children()
    return found


def reported(log: Path, serving: str) -> list[int]:
    """The number of each attempt at a version that failed while another was serving."""
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    return [line["attempt"] for line in lines if line.get("still_serving") == serving]


def test_a_version_that_cannot_load_leaves_the_old_one_serving(
    functions: Functions, store: Path, tmp_path: Path
) -> None:
    broken = functions.models.copy("churn", tmp_path / "broken")
    (broken / "model.skops").write_bytes(b"not a model")
    with serving(tmp_path / "log", settings(store)) as served:
        began = time.monotonic()
        release(store, "constant", broken)
        served.child.wait_until(lambda: "still_serving" in served.child.log.read_text())
        answer = served.post("/predict", {"x": 1.0})
        assert (answer.status_code, answer.headers["x-model-version"]) == (200, "2")
        assert served.client.get("/health").status_code == 200
        flip(served, store, "1")
        assert served.post("/predict", {"x": 1.0}).json() == {"prediction": 1.0}
        took = time.monotonic() - began
    attempts = reported(served.child.log, "2")
    assert attempts == list(range(1, len(attempts) + 1)), "each is reported once"
    assert sum(INITIAL_BACKOFF * 2**doublings for doublings in range(len(attempts) - 1)) <= took, "and none comes early"


def test_a_refused_version_is_named_with_its_reason(functions: Functions, store: Path, tmp_path: Path) -> None:
    release(store, "constant", functions.models.path("churn_pickle"))
    strict = settings(store) | {"MODEL_TRUST": "strict"}
    with serving(tmp_path / "log", strict, ready="/health/live") as served:
        answer = served.post("/predict", {"x": 1.0})
        assert (answer.status_code, answer.json()["error_code"]) == (503, "MODEL_NOT_READY")
        assert "MODEL_TRUST=pickle" in answer.json()["message"]


def test_another_scikit_learn_or_python_is_refused_with_both_versions(functions: Functions, tmp_path: Path) -> None:
    for name, text, old in (
        ("learn", "scikit-learn==1.0.2", "requirements.txt"),
        ("python", "3.8.10", "python_env.yaml"),
    ):
        model = functions.models.copy("churn", tmp_path / name)
        replace_version(model / old, text)
        uri = {"MODEL_URI": str(model), "MODEL_TRUST": "pickle"}
        with serving(tmp_path / f"{name}.log", uri, ready="/health/live") as served:
            message = served.post("/predict", {"x": 1.0}).json()["message"]
        assert text.rpartition("=")[2].rpartition(".")[0] in message, message
        assert "publish" in message or "build" in message, message


def replace_version(path: Path, text: str) -> None:
    lines = path.read_text().splitlines()
    key = "python:" if path.suffix == ".yaml" else "scikit-learn"
    new = f"python: {text}" if path.suffix == ".yaml" else text
    path.write_text("\n".join(new if line.startswith(key) else line for line in lines) + "\n")
