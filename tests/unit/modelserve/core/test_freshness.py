from __future__ import annotations

import asyncio
import logging
import math
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

import pytest

from modelserve.core.freshness import Freshness, clock
from modelserve.core.metrics import Metrics
from modelserve.core.settings import Settings
from modelserve.models.active import ActiveModel
from modelserve_control.common.processes import GRACE
from tiny import run
from unit.modelserve.models.activation import activated, answer, loads, move

if TYPE_CHECKING:
    from models.library import Library  # imports mlflow, which takes seconds

pytestmark = pytest.mark.filterwarnings("ignore")  # what MLflow and its flavors deprecate is not ours to mend

STALE: Final[dict[str, str]] = {
    "MODEL_REFRESH_SECONDS": "86400",
    "MODEL_MAX_STALE_SECONDS": "0.05",
}  # only a request has the alias read again


@pytest.fixture
def store(models: Library, tmp_path: Path) -> Path:
    """Versions 1 and 2 of `c` answer 1 and 2, version 3 cannot be loaded; champion is 1."""
    from serving import release

    for value in (1.0, 2.0, 3.0):
        release(tmp_path / "store", "c", models.constant(value), alias=f"only-{value:g}")
    (tmp_path / "store/models/c/versions/3/MLmodel").write_text("no")
    move(tmp_path / "store", "1")
    return tmp_path / "store"


@pytest.fixture
def active(store: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ActiveModel]:
    monkeypatch.setattr("modelserve.core.freshness.READ_SECONDS", GRACE)  # a busy machine may take longer
    with activated(f"{store}/models/c@champion", True, **STALE) as made:
        loads(made)
        yield made


def is_stale(active: ActiveModel) -> bool:
    return clock() >= active._freshness.until


def wait_until_stale(active: ActiveModel) -> None:
    while not is_stale(active):
        time.sleep(max(0.001, active._freshness.until - clock()))


def test_a_stale_version_answers_after_the_alias_was_read(active: ActiveModel) -> None:
    wait_until_stale(active)
    before = active._freshness._read_at
    assert run(answer(active)) == ("1", [1.0])
    assert active._freshness._read_at > before


def test_the_version_that_the_alias_names_meanwhile_answers_the_first_request(active: ActiveModel, store: Path) -> None:
    wait_until_stale(active)
    move(store, "2")
    assert run(answer(active)) == ("2", [2.0])


def test_a_version_that_cannot_be_loaded_is_not_waited_for_again(active: ActiveModel, store: Path) -> None:
    wait_until_stale(active)
    move(store, "3")
    assert run(answer(active)) == ("1", [1.0])
    assert active.error is not None
    assert not active._freshness._is_loading


def test_a_load_is_waited_for_no_longer_than_a_first_one(caplog: pytest.LogCaptureFixture) -> None:
    settings = Settings.from_environ({"LOAD_WAIT_SECONDS": "0.1"})
    freshness = Freshness(settings, Metrics(enabled=False), lambda: None)
    freshness.succeed(clock() - 90, is_settled=True)
    freshness.succeed(clock(), is_settled=False)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            run(freshness.wait())
    assert len(caplog.records) == 1
    freshness.renew()
    assert clock() < freshness.until <= clock() + settings.model_max_stale_seconds


def test_a_load_that_takes_longer_than_a_version_is_fresh_is_waited_for_until_its_end() -> None:
    asked = threading.Event()
    settings = Settings.from_environ({"MODEL_MAX_STALE_SECONDS": "0.05", "LOAD_WAIT_SECONDS": "600"})
    freshness = Freshness(settings, Metrics(enabled=False), asked.set)
    freshness.succeed(clock() - 90, is_settled=True)

    async def wait_for_load() -> None:
        waiting = asyncio.create_task(freshness.wait())
        await asyncio.to_thread(asked.wait, GRACE)
        freshness.succeed(began := clock(), is_settled=False)
        while clock() < began + 2 * settings.model_max_stale_seconds:
            await asyncio.sleep(0.001)
        assert not waiting.done()
        freshness.renew()
        await waiting

    run(wait_for_load())


def test_a_request_goes_on_waiting_at_each_step_of_the_thread_that_has_read_the_alias() -> None:
    settings = Settings.from_environ({"LOAD_WAIT_SECONDS": "600"})
    freshness = Freshness(settings, Metrics(enabled=False), lambda: None)
    freshness.succeed(clock() - 90, is_settled=True)
    steps = []

    def look(frame: FrameType, event: str, argument: object) -> Any:
        if frame.f_code is not Freshness.succeed.__code__:
            return None
        waiting = freshness.wait()
        with suppress(StopIteration):  # it answers with the stale version
            waiting.send(None)
            steps.append(True)
            waiting.close()
            return look
        steps.append(False)
        return look

    async def read() -> None:
        waiting = freshness.wait()
        waiting.send(None)  # it asks for the alias
        before = sys.gettrace()
        sys.settrace(look)
        try:
            freshness.succeed(clock(), is_settled=False)
        finally:
            sys.settrace(before)
            waiting.close()

    run(read())
    assert len(steps) > 3
    assert all(steps)


def test_a_read_that_fails_ends_the_wait_and_is_not_asked_for_again_at_once() -> None:
    asked = threading.Event()
    freshness = Freshness(Settings(), Metrics(enabled=False), asked.set)
    freshness.succeed(clock() - 90, is_settled=True)

    async def wait_twice() -> None:
        waiting = asyncio.create_task(freshness.wait())
        await asyncio.to_thread(asked.wait, GRACE)
        freshness.fail(clock())
        await waiting
        asked.clear()
        await freshness.wait()

    run(wait_twice())
    assert not asked.is_set()


def test_the_result_of_a_read_that_began_before_a_long_sleep_is_not_fresh() -> None:
    freshness = Freshness(Settings(), Metrics(enabled=False), lambda: None)
    freshness.succeed(clock() - 90, is_settled=True)
    assert freshness.until < clock()


def test_a_version_without_an_alias_is_never_stale(models: Library) -> None:
    with activated(models.constant(1.0)) as active:
        loads(active)
        assert run(answer(active)) == (active.current.version if active.current else "", [1.0])
        assert active._freshness.until == math.inf
