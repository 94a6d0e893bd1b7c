"""What `modelserve release --shadow` hears from a subscription, over both servers."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from contract.pubsub.backends import Backend, Names
from faults.proxy import wait_for
from http_server import WAIT_SECONDS
from modelserve.shadow.tally import Tally
from modelserve.store.buckets.objects import Objects
from modelserve_control.common import provenance
from modelserve_control.common.errors import SubscriptionUnusable
from modelserve_control.compare.stats.thresholds import Thresholds
from modelserve_control.deploy.release import journal as release_journal
from modelserve_control.deploy.release import shadow as release_shadow
from modelserve_control.deploy.release.journal import ReleaseJournal
from modelserve_control.deploy.release.shadow import ShadowCounts, ShadowCriteria, collect
from modelserve_control.registry import catalog

LIMITS = Thresholds(max_flip_ratio=0.1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Objects]:
    with catalog.open_store(str(tmp_path)) as found:
        yield found


@pytest.fixture
def journal(store: Objects) -> ReleaseJournal:
    return release_journal.create(store, "m", "8", alias="champion")


@pytest.fixture
def made(backend: Backend, names: Names, monkeypatch: pytest.MonkeyPatch) -> Names:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", backend.host)
    backend.make(names)
    return names


def wanted(names: Names, seconds: float, least: int = 10) -> ShadowCriteria:
    return ShadowCriteria("m", "7", "8", "ab12", names.subscription, seconds, least)


def message(compared: int, flipped: int = 0, shadow: str = "one") -> str:
    told = {
        "model": "m", "version": "7", "shadow_model": "m", "shadow_version": "8", "shadow_manifest_sha256": "ab12",
        "shadow_id": shadow, "so_far": Tally(compared=compared, rows=compared, flipped=flipped),
    }  # fmt: skip
    return msgspec.json.encode(told).decode()


class Listening:
    """`collect` on a thread of its own."""

    def __init__(self, call: Callable[[], ShadowCounts]) -> None:
        self.heard: ShadowCounts | None = None
        self._call = call
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self.heard = self._call()

    def wait_for_end(self) -> ShadowCounts:
        self._thread.join(WAIT_SECONDS)
        assert self.heard is not None, "it did not end well"
        return self.heard


def read_notes(journal: ReleaseJournal) -> dict[str, Any]:
    found: dict[str, Any] = journal.document.get("shadow", {"heard": {}})["heard"]
    return found


def test_it_listens_until_the_time_is_up_and_each_shadow_has_told_once_more(
    backend: Backend, made: Names, journal: ReleaseJournal
) -> None:
    """The time is up when the first messages have been published and before another process hears them: so they do not
    count as told after it, however long that takes."""
    journal.update(shadow={"began_at": provenance.now(), "heard": {}})
    began = datetime.fromisoformat(journal.document["shadow"]["began_at"]).timestamp()
    backend.publish(made, message(5), message(3), message(5), message(6, shadow="other"), "no shadow's")
    seconds = time.time() - began + 0.01
    listening = Listening(lambda: collect(journal, wanted(made, seconds), LIMITS))
    wait_for(lambda: len(read_notes(journal)) == 2, WAIT_SECONDS)
    backend.publish(made, message(8), message(7, shadow="other"))
    heard = listening.wait_for_end()
    assert (heard.total().compared, len(heard.shadows)) == (15, 2)
    assert {shadow: one["compared"] for shadow, one in read_notes(journal).items()} == {"one": 8, "other": 7}
    assert backend.pull_now(made.subscription) == []


def test_it_ends_at_once_when_enough_is_beyond_the_limits(
    backend: Backend, made: Names, journal: ReleaseJournal
) -> None:
    backend.publish(made, message(1_000, flipped=1_000))  # from before it began
    time.sleep(1.1)  # it begins with a whole second
    listening = Listening(lambda: collect(journal, wanted(made, seconds=3_600.0), LIMITS))
    wait_for(lambda: "shadow" in journal.document, WAIT_SECONDS)
    backend.publish(made, message(9, flipped=9))
    wait_for(lambda: bool(read_notes(journal)), WAIT_SECONDS)
    backend.publish(made, message(10, flipped=9))
    assert listening.wait_for_end().total().flipped == 9


def test_another_process_goes_on_with_what_was_noted(
    backend: Backend, made: Names, journal: ReleaseJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its time began with the first process, which has acked what it noted. It is over, and what waits is heard."""
    monkeypatch.setattr(release_shadow, "LAST_SUMMARY", 0.0)
    began = (datetime.now(UTC) - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    before = Tally(compared=9, rows=9, flipped=1)
    journal.update(shadow={"began_at": began, "heard": {"one": msgspec.structs.asdict(before)}})
    backend.publish(made, message(2, shadow=uuid.uuid4().hex))
    heard = collect(journal, wanted(made, seconds=60.0), LIMITS)
    assert (heard.total().compared, heard.total().flipped) == (11, 1)
    assert (len(read_notes(journal)), journal.document["shadow"]["began_at"]) == (2, began)


def test_a_subscription_that_is_not_there_stops_it(backend: Backend, made: Names, journal: ReleaseJournal) -> None:
    nowhere = ShadowCriteria("m", "7", "8", "ab12", f"{made.subscription}-other", 60.0, 1)
    with pytest.raises(SubscriptionUnusable, match="cannot be pulled from: NotFound"):
        collect(journal, nowhere, LIMITS)
