"""What becomes of loads that come too late, and how many of them there may be."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bucket_server import BucketServer
from modelserve.core.errors import LoadTimeout
from modelserve.core.settings import Settings
from modelserve.models.active import MAX_ATTEMPTS, ActiveModel
from modelserve.models.load_attempts import LoadAttempt, Target
from modelserve.store.buckets.open import open_objects
from modelserve.store.names.locations import parse, parse_store
from modelserve_control.registry.promote import promote
from stores import put
from tiny import PROMPT_SECONDS, WAIT_SECONDS
from unit.modelserve.models.activation import activated, loads, move

if TYPE_CHECKING:
    from models.library import Library  # imports mlflow, which takes seconds

pytestmark = pytest.mark.filterwarnings("ignore")  # what MLflow and its flavors deprecate is not ours to mend


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Path]:
    """Opened at the end, so that nothing hangs on."""
    yield tmp_path / "gate"
    (tmp_path / "gate").touch()


def until(condition: Callable[[], object], seconds: float = WAIT_SECONDS) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.01)


def calls(gate: Path) -> int:
    path = gate.with_name(f"{gate.name}.calls")
    return len(path.read_text().splitlines()) if path.exists() else 0


def hanging(gate: Path, number: int) -> bool:
    return calls(gate) == number


def wants(active: ActiveModel, version: str) -> bool:
    target = active._target
    return target is not None and target.alias is not None and target.alias.version == version


def give_up(active: ActiveModel) -> None:
    """As if its time were up."""
    (attempt,) = active._attempts
    attempt.deadline = time.monotonic()
    with pytest.raises(LoadTimeout, match=r"within LOAD_TIMEOUT_SECONDS \(600 s\); promote another one"):
        active._collect()
    active._collect()  # said once


def test_what_comes_too_late_is_freed_with_its_files(
    models: Library, gate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gcs: BucketServer
) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs.url)
    store = gcs.bucket("late")
    with closing(open_objects(parse_store(store))) as objects:
        promote(objects, "c", put(objects, "c", models.stuck(gate)), "champion")
    before = threading.enumerate()  # with the scorers of tests that were before
    with activated(f"{store}/models/c@champion", start=False) as active:
        active._refresh()
        until(lambda: calls(gate) == 1)
        assert list(tmp_path.glob("tmp/*/.incoming-*"))
        give_up(active)
        gate.touch()
        assert active._wake.wait(WAIT_SECONDS)
        active._collect()
        assert (active.current, active._attempts) == (None, [])
        until(lambda: not list(tmp_path.glob("tmp/*/.incoming-*")), PROMPT_SECONDS)
        names = ("load", "scorer", "retire")
        until(
            lambda: not [one for one in threading.enumerate() if one.name in names and one not in before],
            PROMPT_SECONDS,
        )


def test_loads_that_hang_are_bounded_and_the_version_that_serves_goes_on(
    models: Library, gate: Path, tmp_path: Path
) -> None:
    from serving import release

    store = tmp_path / "store"
    release(store, "c", models.constant(1.0))
    with activated(f"{store}/models/c@champion") as active:
        loads(active)
        stuck = models.stuck(gate)
        for number in range(MAX_ATTEMPTS):
            release(store, "c", stuck)
            until(partial(hanging, gate, number + 1))
        release(store, "c", models.constant(2.0))
        until(lambda: active.error)
        assert active.error is not None
        assert f"{MAX_ATTEMPTS} loads are still running" in active.error.message
        assert [one.name for one in threading.enumerate()].count("load") == MAX_ATTEMPTS
        move(store, "1")
        until(lambda: active.error is None)
        assert active.current is not None
        assert active.current.version == "1"
        move(store, "6")
        gate.touch()
        until(lambda: active.current and active.current.version == "6")
        until(lambda: not active._attempts)


def test_an_alias_that_comes_back_takes_what_was_begun(models: Library, gate: Path, tmp_path: Path) -> None:
    from serving import release

    store = tmp_path / "store"
    release(store, "c", models.constant(1.0))
    with activated(f"{store}/models/c@champion") as active:
        loads(active)
        release(store, "c", models.stuck(gate))
        until(partial(hanging, gate, 1))
        for version in ("1", "2"):
            move(store, version)
            until(partial(wants, active, version))
        gate.touch()
        until(lambda: active.current and active.current.version == "2")
        assert calls(gate) == 1
        assert active.error is None


def test_no_more_loads_are_begun_than_may_hang(models: Library, gate: Path, tmp_path: Path) -> None:
    from serving import release

    store = tmp_path / "store"
    stuck = models.stuck(gate)
    with activated(f"{store}/models/c@champion", start=False) as active:
        for number in range(MAX_ATTEMPTS):
            release(store, "c", stuck)
            active._refresh()
            until(partial(hanging, gate, number + 1))
        release(store, "c", models.constant(2.0))
        with pytest.raises(LoadTimeout, match=f"{MAX_ATTEMPTS} loads are still running"):
            active._refresh()


def test_a_version_that_hangs_is_not_begun_again(models: Library, gate: Path, tmp_path: Path) -> None:
    from serving import release

    store = tmp_path / "store"
    release(store, "c", models.stuck(gate))
    with activated(f"{store}/models/c@champion", start=False) as active:
        active._refresh()
        until(partial(hanging, gate, 1))
        give_up(active)
        with pytest.raises(LoadTimeout, match="An earlier attempt at this version took too long"):
            active._refresh()


def test_a_load_that_exits_is_over(models: Library, gate: Path) -> None:
    directory = models.slow(gate)
    (directory / "python_model.pkl").write_bytes(b"csys\nexit\n(I1\ntR.")  # sys.exit(1)
    location = parse(str(directory))
    settings = Settings.from_environ({"MODEL_URI": str(directory), "MODEL_TRUST": "pickle"})
    attempt = LoadAttempt(Target(location), open_objects(location), settings, lambda _: None)
    for thread in threading.enumerate():
        if thread.name == "load":
            thread.join(WAIT_SECONDS)
    assert attempt.loaded.done()
    with pytest.raises(SystemExit):
        attempt.loaded.result()
