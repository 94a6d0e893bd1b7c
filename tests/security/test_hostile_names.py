"""R6 over a real server: whatever names stand in the bucket, nothing is written outside and nothing half remains."""

from __future__ import annotations

from pathlib import Path

import pytest

from faults.store.servers import BUCKET, FILES, publish, put, tree
from modelserve.core.errors import ArtifactCorrupt
from modelserve.store.buckets.gcs import GcsObjects
from modelserve.store.download.fetch import fetch
from modelserve.store.names.locations import Location
from modelserve.store.versions.resolve import resolve

NAMES = [
    "../x",
    "a/../../x",
    "/etc/modelserve",
    "a//b",
    ".",
    "..",
    "a\\..\\b",
    "%2e%2e/x",
    "n\0l",
    "n\nl",
    "x/",
    "x" * 256,
    "mlmodel",
    "MLmodel/x",
    "nested",
    "nested/empty.txt/y",
]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
@pytest.mark.parametrize("manifest", [True, False], ids=["version", "bare directory"])
def test_a_hostile_object_refuses_the_whole_version(
    manifest: bool, name: str, server: str, bucket: GcsObjects, tmp_path: Path
) -> None:
    if manifest:
        publish(bucket, "churn", "1")
        location = Location("gs", BUCKET, "models/churn/versions/1", "churn", "1")
    else:
        location = Location("gs", BUCKET, "models/churn/versions/1")
        for path, data in FILES.items():
            put(server, f"models/churn/versions/1/{path}", data)
    put(server, f"models/churn/versions/1/{name}", b"evil")
    cache = tmp_path / "deep" / "cache"
    with pytest.raises(ArtifactCorrupt):
        fetch(resolve(location, bucket), bucket, cache)
    assert tree(tmp_path) == {}


def test_a_link_that_waits_in_the_cache_is_not_followed(bucket: GcsObjects, tmp_path: Path) -> None:
    manifest = publish(bucket, "churn", "1")
    cache, outside = tmp_path / "cache", tmp_path / "outside"
    cache.mkdir()
    outside.mkdir()
    (cache / f"churn-1-{manifest.digest[:16]}").symlink_to(outside)
    (cache / ".incoming-1-x").symlink_to(outside)
    (outside / "keep").write_bytes(b"kept")
    location = Location("gs", BUCKET, "models/churn/versions/1", "churn", "1")
    directory = fetch(resolve(location, bucket), bucket, cache)
    assert not directory.is_symlink()
    assert tree(directory).items() >= FILES.items()
    assert tree(outside) == {"keep": b"kept"}
