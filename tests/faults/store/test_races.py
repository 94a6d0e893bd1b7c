"""R4 and R7: a version is never mixed, neither with what is written meanwhile nor with its neighbours."""

from __future__ import annotations

from pathlib import Path
from threading import Thread

import pytest

from faults.proxy import Fault, Proxy
from faults.store.servers import BUCKET, FILES, promote, publish, put, remove, tree
from modelserve.core.errors import ArtifactCorrupt, ArtifactMissing, PreconditionFailed, StoreUnavailable
from modelserve.store.buckets.gcs import GcsObjects
from modelserve.store.download.fetch import fetch
from modelserve.store.names.locations import MANIFEST, Location, parse
from modelserve.store.versions.alias import poll_alias, read_alias
from modelserve.store.versions.resolve import resolve

BARE = Location("gs", BUCKET, "run/artifacts/model")
BODY = r"model\.skops.*alt=media"


def log(server: str, mark: bytes) -> dict[str, bytes]:
    """A bare MLflow directory, every file of which carries the mark."""
    files = {path: mark + data for path, data in FILES.items()}
    for path, data in files.items():
        put(server, f"run/artifacts/model/{path}", data)
    return files


def test_a_directory_that_is_written_meanwhile_is_listed_again(
    server: str, proxy: Proxy, objects: GcsObjects, cache: Path
) -> None:
    log(server, b"old")
    resolved = resolve(BARE, objects)
    written: list[dict[str, bytes]] = []
    proxy.script([Fault("call", BODY, action=lambda: written.append(log(server, b"new")))])
    assert tree(fetch(resolved, objects, cache)) == written[0]


def test_a_directory_that_goes_on_changing_fails(server: str, proxy: Proxy, objects: GcsObjects, cache: Path) -> None:
    log(server, b"0")
    resolved = resolve(BARE, objects)
    proxy.script([Fault("call", BODY, times=2, action=lambda: log(server, b"x"))])
    with pytest.raises(StoreUnavailable, match="keep changing"):
        fetch(resolved, objects, cache)
    assert list(cache.iterdir()) == []


def test_workers_that_start_together_download_a_version_once(
    proxy: Proxy, direct: GcsObjects, objects: GcsObjects, cache: Path
) -> None:
    publish(direct, "churn", "1")
    resolved = resolve(parse("gs://any/models/churn/versions/1"), direct)
    found: list[Path] = []
    second = Thread(target=lambda: found.append(fetch(resolved, direct, cache)), daemon=True)

    def start_the_second() -> None:
        second.start()
        second.join(1)  # it waits for the first; without a lock it is done by now

    proxy.script([Fault("call", BODY, action=start_the_second)])
    first = fetch(resolved, objects, cache)
    assert not found
    second.join(30)
    assert found == [first]
    assert list(cache.iterdir()) == [first]


def test_a_version_that_is_overwritten_meanwhile_is_refused(
    server: str, proxy: Proxy, direct: GcsObjects, objects: GcsObjects, cache: Path
) -> None:
    publish(direct, "churn", "1")
    overwrite = Fault("call", BODY, action=lambda: put(server, "models/churn/versions/1/model.skops", b"evil"))
    proxy.script([overwrite])
    with pytest.raises(ArtifactCorrupt):
        fetch(resolve(parse("gs://any/models/churn/versions/1"), objects), objects, cache)
    assert list(cache.iterdir()) == []


def test_neighbours_whose_names_begin_alike_never_mix(server: str, direct: GcsObjects, cache: Path) -> None:
    publish(direct, "churn", "1", {"MLmodel": b"one"})
    publish(direct, "churn", "10", {"MLmodel": b"ten", "more": b""})
    publish(direct, "churn-hf", "1", {"MLmodel": b"hf"})
    assert tree(fetch(resolve(parse("gs://any/models/churn/versions/1"), direct), direct, cache))["MLmodel"] == b"one"
    log(server, b"")
    put(server, "run/artifacts/model-hf/MLmodel", b"hf")
    assert tree(fetch(resolve(BARE, direct), direct, cache)) == FILES


def test_a_version_without_a_manifest_does_not_exist(direct: GcsObjects) -> None:
    publish(direct, "churn", "1")
    remove(direct, f"models/churn/versions/1/{MANIFEST}")
    with pytest.raises(ArtifactMissing, match="has no manifest"):
        resolve(parse("gs://any/models/churn/versions/1"), direct)


def test_a_folder_placeholder_is_not_a_file(server: str, direct: GcsObjects, cache: Path) -> None:
    log(server, b"")
    put(server, "run/artifacts/model/", b"")
    put(server, "run/artifacts/model/nested/", b"")
    assert tree(fetch(resolve(BARE, direct), direct, cache)) == FILES


@pytest.mark.parametrize("address", ["gs://any/run", "gs://any/run/artifacts", "gs://any"])
def test_an_address_that_stops_too_early_is_told_where_the_mlmodel_is(
    address: str, server: str, direct: GcsObjects
) -> None:
    log(server, b"")
    with pytest.raises(ArtifactMissing, match=r"one in '(artifacts/|run/artifacts/)?model' below"):
        resolve(parse(address), direct)


def test_a_lost_race_for_an_alias_names_the_winner(direct: GcsObjects) -> None:
    one, two = publish(direct, "churn", "1"), publish(direct, "churn", "2")
    generation = promote(direct, "churn", "champion", one)
    promote(direct, "churn", "champion", two, generation)
    with pytest.raises(PreconditionFailed, match="moved to version 2 by ann at 2026-01-02T03:04:05Z"):
        promote(direct, "churn", "champion", one, generation)


def test_polling_an_alias_tells_only_of_a_change(direct: GcsObjects) -> None:
    one, two = publish(direct, "churn", "1"), publish(direct, "churn", "2")
    generation = promote(direct, "churn", "champion", one)
    assert poll_alias(direct, "churn", "champion", generation) is None
    moved = promote(direct, "churn", "champion", two, generation)
    found = poll_alias(direct, "churn", "champion", generation)
    assert found is not None
    assert (found[0].version, found[1]) == ("2", moved)
    assert read_alias(direct, "churn", "challenger") is None


def test_a_poll_is_one_request_with_a_condition(proxy: Proxy, direct: GcsObjects, objects: GcsObjects) -> None:
    generation = promote(direct, "churn", "champion", publish(direct, "churn", "1"))
    proxy.script([Fault("return-304", f"ifGenerationNotMatch={generation}")])  # what Cloud Storage answers
    assert poll_alias(objects, "churn", "champion", generation) is None
    assert len(proxy.log) == 1


def test_a_manifest_that_was_swapped_behind_its_alias_is_refused(server: str, direct: GcsObjects) -> None:
    promote(direct, "churn", "champion", publish(direct, "churn", "1"))
    remove(direct, f"models/churn/versions/1/{MANIFEST}")
    publish(direct, "other", "1", {"MLmodel": b""})
    publish_again = publish(direct, "churn", "2", {"MLmodel": b"evil"})
    forged = publish_again.to_bytes().replace(b'"version":"2"', b'"version":"1"')
    put(server, f"models/churn/versions/1/{MANIFEST}", forged)
    with pytest.raises(ArtifactCorrupt, match="promoted with"):
        resolve(parse("gs://any/models/churn@champion"), direct)


def test_an_unknown_alias_is_told_which_there_are(direct: GcsObjects) -> None:
    promote(direct, "churn", "champion", publish(direct, "churn", "1"))
    with pytest.raises(ArtifactMissing, match="no alias challenger; it has champion"):
        resolve(parse("gs://any/models/churn@challenger"), direct)
