"""Whatever becomes of the shadow, every answer is right and none waits; and the shadow comes back."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from contract.shadow.shadows import ACTIVATED, EACH, SUMMARY, Shadowed, eventually, published, shadowed
from http_server import WAIT_SECONDS
from modelserve.core.sidecar import MAX_SAMPLE_BYTES

if TYPE_CHECKING:
    from models.library import Library

ROW = {"x": 1.0, "seconds": 0.0, "marked": False}


@pytest.fixture
def uri(models: Library, tmp_path: Path) -> str:
    return published(tmp_path / "store", "constant", models.constant(1.5), "compiled")


def right(shadow: Shadowed, count: int = 1, row: Any = ROW) -> None:
    for _ in range(count):
        answer = shadow.served.post("/predict", row)
        assert (answer.status_code, answer.json()) == (200, {"prediction": 1.5})


def asked_until(shadow: Shadowed, true: Callable[[], bool], otherwise: str, row: Any = ROW) -> None:
    """Answers are asked for, and right, until `true`."""

    def once() -> bool:
        right(shadow, row=row)
        return true()

    eventually(once, otherwise)


def test_a_shadow_that_is_killed_comes_back(uri: str, tmp_path: Path) -> None:
    with shadowed(tmp_path, uri, uri, **EACH) as shadow:
        shadow.wait_until_active(lambda: right(shadow))
        (first,) = shadow.processes()
        first.kill()
        asked_until(shadow, lambda: len(shadow.lines(ACTIVATED)) >= 2, "no other shadow came")
        right(shadow, 10)
        assert shadow.processes() != [first]
        assert shadow.summary(taken=10)["compared"] >= 10


def test_a_shadow_takes_no_module_of_the_directory_in_which_its_server_stands(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with shadowed(tmp_path, uri, uri) as shadow:
        (tmp_path / "json.py").write_text(
            "raise SystemExit('the json.py of the user')\n"
        )  # the server has its own by now
        shadow.wait_until_active(lambda: right(shadow))


def test_a_shadow_ends_with_its_server(uri: str, tmp_path: Path) -> None:
    with shadowed(tmp_path, uri, uri) as shadow:
        shadow.wait_until_active(lambda: right(shadow))
        right(shadow)
        eventually(lambda: shadow.offers().get("sent"), "the answer was not offered")
        (process,) = shadow.processes()
        server = psutil.Process(shadow.served.child.pid)
        for one in [*server.children(recursive=True), server]:
            if one != process:
                with suppress(psutil.NoSuchProcess):  # it ends with the one before it
                    one.kill()
        process.wait(WAIT_SECONDS)
    assert shadow.lines(SUMMARY)


def test_a_challenger_that_crashes_is_started_again(uri: str, models: Library, tmp_path: Path) -> None:
    other = published(tmp_path / "other", "crashing", models.path("crashing"))
    with shadowed(tmp_path, uri, other) as shadow:
        shadow.wait_until_active(lambda: right(shadow))
        right(shadow, row=ROW | {"marked": True})
        asked_until(shadow, lambda: len(shadow.lines(ACTIVATED)) >= 2, "no other shadow came")
        assert '"status":3' in shadow.log.read_text()
        assert shadow.offers()["away"] > 0


def test_a_challenger_that_cannot_be_loaded_is_only_told_of(uri: str, tmp_path: Path) -> None:
    with shadowed(tmp_path, uri, f"{tmp_path}/store/models/nobody@champion", **EACH) as shadow:
        missing = "There is no alias champion of the model nobody"
        asked_until(shadow, lambda: missing in shadow.log.read_text(), "nothing was told")
        right(shadow, 10)
        found = shadow.summary(taken=10)
    assert (found["compared"], found["differing"], found["errors"]) == (0, 0, {})
    assert found["early"] >= 10


def test_a_challenger_that_hangs_is_started_again(uri: str, models: Library, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    other = published(tmp_path / "other", "slow", models.slow(gate))
    with shadowed(tmp_path, uri, other, PREDICT_TIMEOUT_SECONDS="2") as shadow:
        shadow.wait_until_active(lambda: right(shadow))
        asked_until(shadow, lambda: '"the challenger hangs"' in shadow.log.read_text(), "nobody noticed")
        asked_until(shadow, lambda: len(shadow.lines(ACTIVATED)) >= 2, "no other shadow came")
    assert max(line["errors"].get("DEADLINE_EXCEEDED", 0) for line in shadow.lines(SUMMARY)) >= 3


def test_what_a_shadow_cannot_take_is_dropped_and_counted(uri: str, tmp_path: Path) -> None:
    with shadowed(tmp_path, uri, uri, **EACH) as shadow:
        shadow.wait_until_active(lambda: right(shadow))
        (process,) = shadow.processes()
        before = shadow.offers().get("sent", 0)
        process.send_signal(signal.SIGSTOP)
        many = [ROW] * 500  # a row is some 40 bytes

        def full() -> bool:
            assert shadow.served.post("/predict", many).json() == [{"prediction": 1.5}] * 500
            return shadow.offers().get("full", 0) >= 20

        eventually(full, "it takes whatever it is offered")
        larger = [ROW] * (MAX_SAMPLE_BYTES // 20)
        assert shadow.served.post("/predict", larger).json() == [{"prediction": 1.5}] * len(larger)
        after = shadow.offers()
        process.send_signal(signal.SIGCONT)
        right(shadow)
        assert shadow.processes() == [process]
        found = shadow.summary(taken=after["sent"] - before)
    assert after["too_large"] == 1
    assert after["full"] >= 20
    assert (found["differing"], found["errors"]) == (0, {})
