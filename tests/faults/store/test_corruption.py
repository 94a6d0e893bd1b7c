"""R3: bytes that are not the version's own are refused, whatever the server says about them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from faults.proxy import Fault, Proxy
from faults.store.servers import BUCKET, FILES, publish, put, remove, tree
from modelserve.core.errors import ArtifactCorrupt, ArtifactMissing
from modelserve.store.buckets.gcs import GcsObjects
from modelserve.store.buckets.objects import ObjectInfo
from modelserve.store.download.fetch import fetch, read_file
from modelserve.store.download.transfer import FileSpec, check
from modelserve.store.names.checksums import of_bytes
from modelserve.store.names.locations import MANIFEST, Location, parse
from modelserve.store.versions.resolve import Resolved, resolve

VERSION = parse("gs://any/models/churn/versions/1")
BARE = Location("gs", BUCKET, "models/churn/versions/1")
BODY = r"model\.skops.*alt=media"

CORRUPTIONS = {
    "whole body": [Fault("corrupt", BODY)],
    "wrong tail after a resume": [Fault("break-after-300000", BODY), Fault("corrupt-resume", BODY)],
    "no hash header": [Fault("no-hash", BODY)],
    "an MD5 alone": [Fault("md5-only", BODY)],
    "more bytes than asked for": [Fault("surplus", BODY)],
    "a gzip-encoded object": [Fault("packed", BODY)],
}


def publish_and_resolve(bare: bool, direct: GcsObjects, objects: GcsObjects) -> Resolved:
    publish(direct, "churn", "1")
    if bare:
        remove(direct, f"models/churn/versions/1/{MANIFEST}")
    return resolve(BARE if bare else VERSION, objects)


@pytest.mark.parametrize("faults", CORRUPTIONS.values(), ids=CORRUPTIONS.keys())
@pytest.mark.parametrize("bare", [False, True], ids=["with manifest", "bare directory"])
def test_corrupt_bytes_are_refused_and_leave_nothing(
    bare: bool, faults: list[Fault], proxy: Proxy, direct: GcsObjects, objects: GcsObjects, cache: Path
) -> None:
    resolved = publish_and_resolve(bare, direct, objects)
    again = Fault("corrupt", rf"{BODY}.*bytes=0-")  # the second download, from its beginning
    proxy.script([Fault(fault.kind, fault.where, fault.times) for fault in [*faults, again]])
    with pytest.raises(ArtifactCorrupt):
        fetch(resolved, objects, cache)
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize("faults", CORRUPTIONS.values(), ids=CORRUPTIONS.keys())
@pytest.mark.parametrize("bare", [False, True], ids=["with manifest", "bare directory"])
def test_one_corrupt_download_is_tried_again_within_the_load(
    bare: bool, faults: list[Fault], proxy: Proxy, direct: GcsObjects, objects: GcsObjects, cache: Path
) -> None:
    resolved = publish_and_resolve(bare, direct, objects)
    proxy.script([Fault(fault.kind, fault.where, fault.times) for fault in faults])
    found = tree(fetch(resolved, objects, cache))
    assert {name: data for name, data in found.items() if name != MANIFEST} == FILES


def test_one_file_that_arrives_corrupt_is_read_again(proxy: Proxy, direct: GcsObjects, objects: GcsObjects) -> None:
    publish(direct, "churn", "1")
    resolved = resolve(VERSION, objects)
    proxy.script([Fault("no-hash", BODY)])
    assert read_file(resolved, objects, "model.skops") == FILES["model.skops"]
    assert proxy.count(BODY) == 2


@pytest.mark.parametrize(("what", "other"), [("size", 6), ("crc32c", 1), ("sha256", "0" * 64)])
def test_each_checksum_counts_alone(what: str, other: Any) -> None:
    sums = of_bytes(b"bytes")
    spec = FileSpec(ObjectInfo("x", 5, 1, None), "x", sums.size, sums.crc32c, sums.sha256)
    check(spec, sums)
    with pytest.raises(ArtifactCorrupt, match=f"does not have its {what}, so"):
        check(spec, replace(sums, **{what: other}))


def test_more_bytes_than_a_file_has_are_not_kept(
    proxy: Proxy, direct: GcsObjects, objects: GcsObjects, cache: Path
) -> None:
    publish(direct, "churn", "1")
    resolved = resolve(VERSION, objects)
    proxy.script([Fault("surplus", BODY, times=2)])
    with pytest.raises(ArtifactCorrupt, match="sent more bytes than the file has"):
        fetch(resolved, objects, cache)


def test_the_one_file_of_a_compiled_version_is_verified_too(server: str, direct: GcsObjects) -> None:
    """It is read into memory, without a directory."""
    publish(direct, "churn", "1")
    resolved = resolve(VERSION, direct)
    assert read_file(resolved, direct, "model.skops") == FILES["model.skops"]
    put(server, "models/churn/versions/1/model.skops", FILES["model.skops"][::-1])
    with pytest.raises(ArtifactCorrupt, match="does not have its crc32c and sha256"):
        read_file(resolved, direct, "model.skops")


def test_what_another_process_has_put_there_meanwhile_is_verified(
    proxy: Proxy, direct: GcsObjects, objects: GcsObjects, cache: Path
) -> None:
    manifest = publish(direct, "churn", "1")
    theirs = cache / f"churn-1-{manifest.digest[:16]}"

    def plant() -> None:
        theirs.mkdir()
        (theirs / "model.skops").write_bytes(b"damaged")

    proxy.script([Fault("call", BODY, action=plant)])
    with pytest.raises(ArtifactCorrupt, match="differs from its version"):
        fetch(resolve(VERSION, objects), objects, cache)
    assert list(cache.iterdir()) == [theirs]


def test_a_body_that_is_too_short_is_asked_for_again(
    proxy: Proxy, direct: GcsObjects, objects: GcsObjects, cache: Path
) -> None:
    """The missing byte, and no more: what came before it is kept, and the whole is verified."""
    publish(direct, "churn", "1")
    resolved = resolve(VERSION, objects)
    proxy.script([Fault("missing", BODY)])
    found = tree(fetch(resolved, objects, cache))
    assert {name: data for name, data in found.items() if name != MANIFEST} == FILES
    assert proxy.count(BODY) == 2


def test_a_listing_without_checksums_leaves_those_of_the_manifest(
    proxy: Proxy, direct: GcsObjects, objects: GcsObjects, cache: Path
) -> None:
    publish(direct, "churn", "1")
    resolved = resolve(VERSION, objects)
    proxy.script([Fault("no-crc32c", r"/o\?.*prefix="), Fault("corrupt", BODY, times=2)])
    with pytest.raises(ArtifactCorrupt, match=r"does not have its crc32c and sha256"):
        fetch(resolved, objects, cache)
    assert list(cache.iterdir()) == []


def test_an_object_that_is_not_the_manifests_is_refused_before_the_download(
    server: str, proxy: Proxy, direct: GcsObjects, objects: GcsObjects, cache: Path
) -> None:
    publish(direct, "churn", "1")
    put(server, "models/churn/versions/1/model.skops", b"another")
    with pytest.raises(ArtifactCorrupt, match="not the one of the manifest"):
        fetch(resolve(VERSION, objects), objects, cache)
    assert proxy.count(BODY) == 0


def test_a_file_that_the_manifest_does_not_know_refuses_the_version(
    server: str, direct: GcsObjects, cache: Path
) -> None:
    publish(direct, "churn", "1")
    put(server, "models/churn/versions/1/sitecustomize.py", b"print()")
    with pytest.raises(ArtifactCorrupt, match="is not in its manifest"):
        fetch(resolve(VERSION, direct), direct, cache)


def test_a_missing_file_refuses_the_version(direct: GcsObjects, cache: Path) -> None:
    publish(direct, "churn", "1")
    remove(direct, "models/churn/versions/1/model.skops")
    with pytest.raises(ArtifactMissing, match=r"lacks the file 'model\.skops'"):
        fetch(resolve(VERSION, direct), direct, cache)


def test_a_version_that_was_damaged_on_the_disk_is_fetched_again(
    proxy: Proxy, direct: GcsObjects, objects: GcsObjects, cache: Path
) -> None:
    publish(direct, "churn", "1")
    first = fetch(resolve(VERSION, objects), objects, cache)
    assert fetch(resolve(VERSION, objects), objects, cache) == first
    assert proxy.count(BODY) == 1
    (first / "model.skops").write_bytes(b"damaged")
    (first / "planted.py").write_bytes(b"")
    second = fetch(resolve(VERSION, objects), objects, cache)
    assert {name: data for name, data in tree(second).items() if name != MANIFEST} == FILES
    assert proxy.count(BODY) == 2
