"""An alias that moves under load: no failed request, and every answer is that of the version it names."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from modelserve.store.locations import parse_store
from modelserve.store.objects import open_objects
from modelserve_control.promote import promote
from serving import Functions, Served, release, serving

FLIPS = 50
CLIENTS = 4


@pytest.fixture
def store(functions: Functions, tmp_path: Path) -> Path:
    """Versions 1 and 2, whose answers are 1 and 2."""
    for value in (1.0, 2.0):
        release(tmp_path / "store", "constant", functions.models.constant(value))
    return tmp_path / "store"


def settings(store: Path) -> dict[str, str]:
    uri = f"{store}/models/constant@champion"
    return {"MODEL_URI": uri, "MODEL_TRUST": "pickle", "MODEL_REFRESH_SECONDS": "0.05"}


def ask(served: Served, stop: threading.Event) -> list[tuple[int, str, float]]:
    """(status, version named, value) of every answer until told to stop."""
    seen = []
    with httpx.Client(base_url=served.url, timeout=30, trust_env=False) as client:
        while not stop.is_set():
            answer = client.post("/predict", json={"x": 1.0})
            seen.append((answer.status_code, answer.headers["x-model-version"], answer.json().get("prediction")))
    return seen


def flip(served: Served, store: Path, version: str) -> None:
    """Move the alias and wait until the function answers with it."""
    promote(open_objects(parse_store(str(store))), "constant", version, "champion")
    served.child.wait_until(lambda: served.client.get("/health").headers["x-model-version"] == version)


def test_fifty_flips_under_load(store: Path, tmp_path: Path) -> None:
    stop = threading.Event()
    with serving(tmp_path / "log", settings(store)) as served, ThreadPoolExecutor(CLIENTS) as pool:
        asking = [pool.submit(ask, served, stop) for _ in range(CLIENTS)]
        try:
            for number in range(FLIPS):
                flip(served, store, "12"[number % 2])
        finally:
            stop.set()
        seen = [answer for future in asking for answer in future.result()]
    assert {status for status, _, _ in seen} == {200}
    assert {(version, value) for _, version, value in seen} == {("1", 1.0), ("2", 2.0)}
    assert len(seen) > FLIPS


def test_a_version_that_cannot_load_leaves_the_old_one_serving(
    functions: Functions, store: Path, tmp_path: Path
) -> None:
    broken = functions.models.copy("churn", tmp_path / "broken")
    (broken / "model.skops").write_bytes(b"not a model")
    with serving(tmp_path / "log", settings(store)) as served:
        bad = release(store, "constant", broken)
        served.child.wait_until(lambda: "still_serving" in served.child.log.read_text())
        answer = served.post("/predict", {"x": 1.0})
        assert (answer.status_code, answer.headers["x-model-version"]) == (200, "2")
        assert served.client.get("/health").status_code == 200
        flip(served, store, "1")
        assert served.post("/predict", {"x": 1.0}).json() == {"prediction": 1.0}
    failures = [line for line in served.child.log.read_text().splitlines() if '"still_serving":"2"' in line]
    assert 1 <= len(failures) <= 3, f"version {bad} was reported {len(failures)} times"


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
