"""R2: what the client does about each thing that a network and a server can do; every fault must be consumed."""

from __future__ import annotations

from pathlib import Path

import pytest

from faults.proxy import Fault, Proxy
from faults.store.servers import FILES, promote, publish, tree
from modelserve.core.errors import ArtifactMissing, PreconditionFailed, StoreUnavailable
from modelserve.store.buckets.gcs import GcsObjects
from modelserve.store.buckets.retry import Deadline, Timing, Transient
from modelserve.store.download.fetch import fetch
from modelserve.store.names.locations import MANIFEST, parse
from modelserve.store.versions.resolve import resolve

HEALS = {
    "503 twice": [Fault("return-503", times=2)],
    "429": [Fault("return-429")],
    "408": [Fault("return-408")],
    "500, 502, 504": [Fault("return-500"), Fault("return-502"), Fault("return-504")],
    "reset twice": [Fault("reset", times=2)],
    "reset, then 503": [Fault("reset"), Fault("return-503")],
    "stream broken twice": [Fault("break-after-262144", r"model\.skops.*alt=media", times=2)],
    "listing 503": [Fault("return-503", r"/o\?.*prefix=")],
    "listing reset": [Fault("reset", r"/o\?.*prefix=")],
    "listing closed inside the headers": [Fault("half-headers", r"/o\?.*prefix=")],
    "manifest closed inside the headers": [Fault("half-headers", "manifest.json")],
    "file closed inside the headers": [Fault("half-headers", r"model\.skops.*alt=media", times=2)],
}


@pytest.mark.parametrize("faults", HEALS.values(), ids=HEALS.keys())
def test_what_heals_is_tried_again(
    faults: list[Fault], proxy: Proxy, direct: GcsObjects, objects: GcsObjects, cache: Path
) -> None:
    publish(direct, "churn", "1")
    proxy.script([Fault(fault.kind, fault.where, fault.times) for fault in faults])
    directory = fetch(resolve(parse("gs://any/models/churn/versions/1"), objects), objects, cache)
    assert {name: data for name, data in tree(directory).items() if name != MANIFEST} == FILES


def test_a_stream_that_stalls_is_given_up_and_tried_again(
    proxy: Proxy, direct: GcsObjects, impatient: GcsObjects, cache: Path
) -> None:
    publish(direct, "churn", "1")
    proxy.script([Fault("stall-after-1000", r"model\.skops.*alt=media")])
    directory = fetch(resolve(parse("gs://any/models/churn/versions/1"), impatient), impatient, cache)
    assert {name: data for name, data in tree(directory).items() if name != MANIFEST} == FILES


@pytest.mark.parametrize("where", ["manifest.json", r"/o\?.*prefix=", r"MLmodel.*alt=media", "champion.json"])
def test_a_stream_that_drips_is_given_up_when_its_time_is_up(
    where: str, proxy: Proxy, direct: GcsObjects, brief: GcsObjects, cache: Path
) -> None:
    """It never stalls, so no timeout of its connection ever ends it."""
    promote(direct, "churn", "champion", publish(direct, "churn", "1", {**FILES, "MLmodel": b"#" * 1_000}))
    proxy.script([Fault("drip-after-10", where)])
    with pytest.raises(StoreUnavailable, match="within 1 s: the deadline passed"):
        fetch(resolve(parse("gs://any/models/churn@champion"), brief), brief, cache)
    assert proxy.dripping.is_set()
    assert not proxy.dripped.is_set()


def test_a_broken_stream_goes_on_where_it_broke(
    proxy: Proxy, direct: GcsObjects, objects: GcsObjects, cache: Path
) -> None:
    publish(direct, "churn", "1")
    proxy.script([Fault("break-after-300000", r"model\.skops.*alt=media")])
    fetch(resolve(parse("gs://any/models/churn/versions/1"), objects), objects, cache)
    ranges = [line.rpartition("bytes=")[2] for line in proxy.log if "model.skops?" in line and "bytes=" in line]
    first, second = sorted(int(part.partition("-")[0]) for part in ranges)
    assert first == 0
    assert 0 < second <= 300000


@pytest.mark.parametrize(
    ("status", "error"),
    [("400", StoreUnavailable), ("401", StoreUnavailable), ("403", StoreUnavailable), ("404", ArtifactMissing)],
)
def test_what_cannot_heal_is_asked_once(
    status: str, error: type[Exception], proxy: Proxy, direct: GcsObjects, objects: GcsObjects
) -> None:
    manifest = publish(direct, "churn", "1")
    promote(direct, "churn", "champion", manifest)
    proxy.script([Fault(f"return-{status}", "manifest.json")])
    with pytest.raises(error):
        resolve(parse("gs://any/models/churn@champion"), objects)
    assert proxy.count("manifest.json") == 1


def test_a_refusal_after_an_outage_ends_the_attempts(proxy: Proxy, direct: GcsObjects, objects: GcsObjects) -> None:
    publish(direct, "churn", "1")
    proxy.script([Fault("return-503", "manifest.json"), Fault("return-401", "manifest.json")])
    with pytest.raises(StoreUnavailable, match="refused"):
        resolve(parse("gs://any/models/churn/versions/1"), objects)
    assert proxy.count("manifest.json") == 2


def test_a_store_that_stays_away_ends_in_one_retryable_error(
    proxy: Proxy, direct: GcsObjects, objects: GcsObjects, brief: GcsObjects, cache: Path
) -> None:
    publish(direct, "churn", "1")
    resolved = resolve(parse("gs://any/models/churn/versions/1"), objects)
    forever = Fault("reset", times=1_000_000)
    proxy.script([forever])
    with pytest.raises(StoreUnavailable, match="within 1 s") as caught:
        fetch(resolved, brief, cache)
    forever.times = 0
    assert caught.value.retryable
    assert list(cache.iterdir()) == []


def test_attempts_end_with_their_time() -> None:
    attempts = 0

    def fail() -> None:
        nonlocal attempts
        attempts += 1
        assert attempts < 5_000, "it goes on without end"
        raise Transient("it is away")

    with pytest.raises(StoreUnavailable, match=r"within 0\.05 s: it is away"):
        Deadline(Timing(total=0.05, initial_backoff=0.0005, max_backoff=0.0005)).run(fail)


def test_a_refusal_advises_a_role_that_allows_what_was_asked(
    proxy: Proxy, direct: GcsObjects, objects: GcsObjects, tmp_path: Path
) -> None:
    """roles/storage.objectViewer may not write, and objectCreator may not replace an alias."""
    written = direct.write("note.json", b"{}", 0)
    proxy.script([Fault("return-403", times=1_000)])
    with pytest.raises(StoreUnavailable, match=r"refused access \(403\): grant .* roles/storage.objectViewer on"):
        objects.read("note.json", 10)
    proxy.faults.clear()
    proxy.script([Fault("return-403", "^(POST|DELETE) ", times=3)])
    for write in (
        lambda: objects.write("note.json", b"[]", written.generation),
        lambda: objects.create("file", Path(__file__)),
        lambda: objects.delete("note.json", written.generation),
    ):
        with pytest.raises(StoreUnavailable, match=r"refused access \(403\): grant .* roles/storage.objectUser on"):
            write()


@pytest.mark.parametrize("fault", ["drop-answer", "half-headers"])
def test_a_write_whose_answer_was_lost_is_not_a_lost_race(proxy: Proxy, objects: GcsObjects, fault: str) -> None:
    proxy.script([Fault(fault, "^POST /upload")])
    info = objects.write("note.json", b"{}", 0)
    assert objects.read("note.json", 10) == (b"{}", info)


def test_a_write_that_another_won_is_a_lost_race(proxy: Proxy, direct: GcsObjects, objects: GcsObjects) -> None:
    def other() -> None:
        direct.write("note.json", b"[]", 0)

    proxy.script([Fault("return-503", "^POST /upload", action=other)])
    with pytest.raises(PreconditionFailed):
        objects.write("note.json", b"{}", 0)
