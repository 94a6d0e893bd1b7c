from __future__ import annotations

import asyncio
import gc
import shutil
import time
import weakref
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from modelserve.core.errors import ArtifactMissing, ModelNotReady, ServeError, StoreUnavailable
from modelserve.models.active import MAX_BACKOFF, ActiveModel
from modelserve.models.scorers.batching import BatchingScorer
from modelserve.models.version import Leases
from modelserve.store.buckets.open import open_objects
from modelserve.store.names.locations import parse_store
from modelserve_control.registry.promote import promote
from tiny import PROMPT_SECONDS, WAIT_SECONDS, run
from unit.modelserve.models.activation import activated, answer, eventually, fails, lease, loads, move

if TYPE_CHECKING:
    from models.library import Library  # imports mlflow, which takes seconds

pytestmark = pytest.mark.filterwarnings("ignore")  # what MLflow and its flavors deprecate is not ours to mend


@pytest.fixture
def store(models: Library, tmp_path: Path) -> Path:
    """Versions 1 and 2 of `c` answer 1 and 2; champion is 1."""
    from serving import release

    for value in (1.0, 2.0):
        release(tmp_path / "store", "c", models.constant(value), alias=f"only-{value:g}")
    promote(open_objects(parse_store(str(tmp_path / "store"))), "c", "1", "champion")
    return tmp_path / "store"


def test_a_moved_alias_is_followed_and_the_old_version_retired_after_its_last_request(store: Path) -> None:
    with activated(f"{store}/models/c@champion") as active:
        assert eventually(active, "1") == [1.0]

        async def across_the_swap() -> None:
            async with lease(active) as old:
                move(store, "2")
                assert await asyncio.to_thread(eventually, active, "2") == [2.0]
                assert isinstance(old.scorer, BatchingScorer)
                assert old.scorer._thread.is_alive()
            await asyncio.to_thread(old.scorer.join, PROMPT_SECONDS)
            assert not old.leases.enter()

        asyncio.run(across_the_swap())


def test_nothing_keeps_a_version_in_memory_after_it_was_replaced(store: Path) -> None:
    with activated(f"{store}/models/c@champion") as active:
        eventually(active, "1")
        assert active.current is not None
        first = weakref.ref(active.current.runtime)
        move(store, "2")
        eventually(active, "2")
        end = time.monotonic() + WAIT_SECONDS
        while first() is not None:
            assert time.monotonic() < end, gc.get_referrers(first())
            time.sleep(0.01)


def test_a_version_that_fails_keeps_the_old_one_and_a_mended_alias_ends_the_failure(store: Path) -> None:
    with activated(f"{store}/models/c@champion") as active:
        eventually(active, "1")
        (store / "models/c/versions/2/MLmodel").write_text("no")
        move(store, "2")
        fails(active)
        assert run(answer(active)) == ("1", [1.0])
        move(store, "1")
        end = time.monotonic() + WAIT_SECONDS
        while active.error is not None:
            assert time.monotonic() < end
            time.sleep(0.01)
        assert run(answer(active)) == ("1", [1.0])


def test_a_deleted_alias_keeps_what_it_named(store: Path) -> None:
    with activated(f"{store}/models/c@champion") as active:
        eventually(active, "1")
        (store / "models/c/aliases/champion.json").unlink()
        fails(active)
        assert run(answer(active)) == ("1", [1.0])


def test_a_model_that_never_loads_is_refused_at_once_with_the_reason(tmp_path: Path) -> None:
    with activated(tmp_path / "nothing", LOAD_WAIT_SECONDS="30") as active:
        with pytest.raises(ModelNotReady, match=r"^No model is active\. There is no MLmodel"):
            run(answer(active))
        fails(active)
        with pytest.raises(ModelNotReady):
            run(answer(active))
        assert active.reason.startswith("No model is active. There is no MLmodel")


def test_what_cannot_be_mended_by_waiting_is_told_at_once_to_who_waits_and_who_comes_later(tmp_path: Path) -> None:
    """Long before the next attempt, and before the time for which a request may wait."""
    with activated(tmp_path / "nothing", start=False, LOAD_WAIT_SECONDS="600") as active:

        async def fail_while_one_waits() -> None:
            waiting = asyncio.create_task(active.get())
            await asyncio.sleep(0)
            await asyncio.to_thread(active._fail, ArtifactMissing("It is not there."))
            with pytest.raises(ModelNotReady, match=r"It is not there\."):
                await waiting

        run(fail_while_one_waits())
        with pytest.raises(ModelNotReady, match=r"It is not there\."):
            run(active.get())


def test_a_model_that_appears_later_is_loaded(tmp_path: Path, models: Library) -> None:
    with activated(tmp_path / "late") as active:
        fails(active)
        shutil.copytree(models.constant(1.0), tmp_path / "copy")
        (tmp_path / "copy").rename(tmp_path / "late")
        assert loads(active).name == "late"
        assert run(answer(active))[1] == [1.0]


def test_whatever_else_fails_is_an_error_of_the_version() -> None:
    with activated("/nowhere", start=False) as active:
        active._fail(ValueError("secret"))
        assert active.reason == "No model is active. This version cannot be loaded (ValueError)."


def test_a_model_that_exits_while_it_is_loaded_is_an_error_of_the_version(models: Library, tmp_path: Path) -> None:
    pickled = models.slow(tmp_path / "gate") / "python_model.pkl"
    good = pickled.read_bytes()
    pickled.write_bytes(b"csys\nexit\n(I1\ntR.")  # sys.exit(1)
    with activated(pickled.parent) as active:
        fails(active)
        assert active.reason == "No model is active. This version cannot be loaded (SystemExit)."
        pickled.write_bytes(good)
        assert loads(active).name == pickled.parent.name


def test_failures_without_end_do_not_end_the_loader(tmp_path: Path) -> None:
    with activated(tmp_path / "nothing", start=False) as active:
        for _ in range(100_000):  # two weeks of them
            active._backoff.next_delay()
        active._fail(StoreUnavailable("The bucket cannot be reached."))
        assert time.monotonic() < active._retry_at <= time.monotonic() + MAX_BACKOFF
        assert active.reason == "No model is active. The bucket cannot be reached."


def test_a_failing_poll_is_told_when_its_backoff_is_due_and_a_moved_alias_is_followed_at_once(
    models: Library, tmp_path: Path
) -> None:
    from serving import release

    release(tmp_path / "store", "c", models.constant(1.0), alias="other")
    with activated(f"{tmp_path}/store/models/c@champion", start=False) as active:
        with pytest.raises(ArtifactMissing) as raised:
            active._refresh()
        active._fail(raised.value)
        active._retry_at = time.monotonic() + 1_000
        active._refresh()  # fails as before, and says nothing
        assert (active._backoff.failures, active.error) == (1, raised.value)
        move(tmp_path / "store", "1")
        active._refresh()
        assert active._wake.wait(WAIT_SECONDS)
        active._collect()
        assert active.current is not None
        assert (active.current.version, active._backoff.failures, active.error) == ("1", 0, None)
        active.current.retire()


def test_a_version_that_fails_is_begun_again_when_its_backoff_is_due(store: Path) -> None:
    (store / "models/c/versions/1/MLmodel").write_text("no")
    with activated(f"{store}/models/c@champion", start=False) as active:
        active._refresh()
        assert active._wake.wait(WAIT_SECONDS)
        with pytest.raises(ServeError) as raised:
            active._collect()
        active._fail(raised.value)
        active._retry_at = time.monotonic() + 1_000
        active._refresh()
        assert active._attempts == []
        active._retry_at = time.monotonic()
        active._refresh()
        assert len(active._attempts) == 1


def test_the_first_promotion_is_served_however_long_it_was_waited_for(models: Library, tmp_path: Path) -> None:
    from serving import release

    release(tmp_path / "store", "c", models.constant(1.0), alias="other")
    uri = f"{tmp_path}/store/models/c@champion"
    with activated(uri, start=False, MODEL_REFRESH_SECONDS="86400") as active:
        for _ in range(10):  # so that the next attempt is due, and reported, only after the longest backoff
            active._backoff.next_delay()
        active.start()
        try:
            fails(active)
            move(tmp_path / "store", "1")
            assert loads(active).version == "1"
        finally:
            active.stop()
            active._thread.join(WAIT_SECONDS)


def test_without_a_model_uri_the_setting_is_named() -> None:
    with activated("") as active, pytest.raises(ModelNotReady, match="MODEL_URI is not set"):
        run(answer(active))


def test_requests_wait_for_the_first_version_and_no_longer_than_they_may(models: Library) -> None:
    with activated(models.constant(1.0), start=False, LOAD_WAIT_SECONDS="0.1") as active:
        with pytest.raises(ModelNotReady, match=r"^No model is active yet\.$"):
            run(answer(active))
        active.start()
        loads(active)
        active.stop()

        async def many() -> set[int]:
            async def one() -> int:
                async with lease(active) as loaded:
                    return id(loaded)

            return set(await asyncio.gather(*(one() for _ in range(20))))

        assert len(run(many())) == 1
    active._thread.join(WAIT_SECONDS)


def test_requests_that_waited_in_vain_leave_nothing_behind() -> None:
    def futures() -> int:
        gc.collect()
        return sum(isinstance(found, asyncio.Future) for found in gc.get_objects())

    async def left(active: ActiveModel) -> int:
        before = futures()
        given = await asyncio.gather(*(active.get() for _ in range(100)), return_exceptions=True)
        assert set(map(type, given)) == {ModelNotReady}
        del given
        await asyncio.sleep(0)  # the loop has them until its next turn
        return futures() - before

    with activated("/nowhere", start=False, LOAD_WAIT_SECONDS="0.1") as active:
        assert run(left(active)) < 10


def test_a_retired_version_is_passed_over_for_the_one_that_came_after(store: Path) -> None:
    with activated(f"{store}/models/c@champion") as active:
        eventually(active, "1")
        new = active.current
        assert new is not None

        class Retired(Leases):
            """As a request sees it that took the pointer just before the swap."""

            def enter(self) -> bool:
                active.current = new
                return False

        active.current = replace(new, version="0", leases=Retired())
        assert run(answer(active)) == ("1", [1.0])


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("gs://b/models/churn@champion", "churn"),
        ("/x/churn/", "churn"),
        ("", "none"),
        ("gs://b/models/c/versions/7", "7"),
    ],
)
def test_a_model_has_a_name_before_it_is_known(uri: str, name: str) -> None:
    with activated(uri, start=False) as active:
        assert active.name == name
    with activated(uri, start=False, MODEL_NAME="own") as active:
        assert active.name == "own"
