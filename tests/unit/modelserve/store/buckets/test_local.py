"""A local directory behaves like a bucket."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from faults.store.servers import FILES, promote, publish, tree
from modelserve.core.errors import ArtifactCorrupt, ArtifactMissing, PreconditionFailed
from modelserve.store.buckets.local import PRIVATE, DirectoryObjects
from modelserve.store.buckets.objects import GenerationGone
from modelserve.store.download.fetch import fetch
from modelserve.store.names.locations import MANIFEST, parse
from modelserve.store.versions.resolve import resolve


@pytest.fixture
def objects(tmp_path: Path) -> DirectoryObjects:
    return DirectoryObjects(tmp_path / "store")


def test_a_file_has_the_mode_of_the_umask(objects: DirectoryObjects, tmp_path: Path) -> None:
    objects.write("a/x", b"1", 0)
    (tmp_path / "own").touch()
    assert (tmp_path / "store/a/x").stat().st_mode == (tmp_path / "own").stat().st_mode


def test_writes_compare_generations(objects: DirectoryObjects) -> None:
    first = objects.write("a/x", b"1", 0)
    for stale in (0, first.generation - 1):
        with pytest.raises(PreconditionFailed):
            objects.write("a/x", b"2", stale)
    second = objects.write("a/x", b"2", first.generation)
    assert second.generation > first.generation
    assert objects.read("a/x", 10, first.generation) == (b"2", objects.read("a/x", 10)[1])  # type: ignore[index]  # not None
    assert objects.read("a/x", 10, second.generation) is None


def test_of_many_writers_with_one_generation_exactly_one_wins(objects: DirectoryObjects) -> None:
    start = objects.write("x", b"", 0).generation

    def attempt(number: int) -> bool:
        try:
            objects.write("x", str(number).encode(), start)
        except PreconditionFailed:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(40))) == 1


def test_a_writer_waits_for_another_between_its_look_and_its_write(objects: DirectoryObjects) -> None:
    """Also for one of another process, which is what holds the lock here. The system tells who waits for it."""
    start = objects.write("x", b"", 0).generation
    with (objects.root / PRIVATE / "lock").open("ab") as lock, ThreadPoolExecutor(1) as pool:
        fcntl.flock(lock, fcntl.LOCK_EX)
        waits = f"-> FLOCK  ADVISORY  WRITE {os.getpid()} "
        writing = pool.submit(objects.write, "x", b"late", start)
        while waits not in Path("/proc/locks").read_text():
            assert not writing.done(), "it did not wait"
        (objects.root / "x").write_bytes(b"early")
        os.utime(objects.root / "x", ns=(start + 1, start + 1))
        fcntl.flock(lock, fcntl.LOCK_UN)
        with pytest.raises(PreconditionFailed):
            writing.result()
    assert (objects.root / "x").read_bytes() == b"early"


def test_reading_is_bounded_and_says_what_is_missing(objects: DirectoryObjects) -> None:
    objects.write("x", b"12345", 0)
    with pytest.raises(ArtifactCorrupt, match="'x' is longer than its limit of 4 bytes"):
        objects.read("x", 4)
    with pytest.raises(ArtifactMissing):
        objects.read("y", 4)
    assert objects.stat("y") is None


def test_a_listing_holds_the_prefix_and_nothing_private(objects: DirectoryObjects) -> None:
    for name in ("models/a/1", "models/a/10", "models/ab/1"):
        objects.write(name, b"", 0)
    assert [info.name for info in objects.list("models/a/")] == ["models/a/1", "models/a/10"]
    assert [info.name for info in objects.list("")] == ["models/a/1", "models/a/10", "models/ab/1"]
    assert list(objects.list("nothing/")) == []


def test_deleting_compares_generations_and_leaves_no_empty_directory(objects: DirectoryObjects) -> None:
    info = objects.write("a/b/c", b"", 0)
    with pytest.raises(PreconditionFailed):
        objects.delete("a/b/c", info.generation + 1)
    objects.delete("a/b/c", info.generation)
    objects.delete("a/b/c", info.generation)
    assert not (objects.root / "a").exists()


def test_a_replaced_file_is_not_read_as_the_pinned_one(objects: DirectoryObjects) -> None:
    info = objects.write("x", b"old", 0)
    objects.write("x", b"new", info.generation)
    with pytest.raises(GenerationGone):
        objects.read_range(info, 0, 3, lambda data: None)


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a\\b"])
def test_a_name_cannot_leave_the_directory(name: str, objects: DirectoryObjects) -> None:
    with pytest.raises(ArtifactCorrupt):
        objects.write(name, b"", 0)
    with pytest.raises(ArtifactCorrupt):
        objects.read(name, 10)


def test_a_local_store_serves_aliases_and_versions_in_place(objects: DirectoryObjects, tmp_path: Path) -> None:
    manifest = publish(objects, "churn", "1")
    promote(objects, "churn", "champion", manifest)
    resolved = resolve(parse(f"{objects.root}/models/churn@champion"), objects)
    assert (resolved.version, resolved.location.alias, resolved.manifest_sha256) == ("1", "champion", manifest.digest)
    directory = fetch(resolved, objects, tmp_path / "cache")
    assert directory == objects.root / "models/churn/versions/1"
    assert not (tmp_path / "cache").exists()
    assert {name: data for name, data in tree(directory).items() if name != MANIFEST} == FILES


def test_a_local_version_is_verified(objects: DirectoryObjects, tmp_path: Path) -> None:
    publish(objects, "churn", "1")
    file = objects.root / "models/churn/versions/1/model.skops"
    file.write_bytes(b"X" + file.read_bytes()[1:])
    with pytest.raises(ArtifactCorrupt, match="does not have its crc32c and sha256"):
        fetch(resolve(parse(f"{objects.root}/models/churn/versions/1"), objects), objects, tmp_path)


def test_a_bare_local_directory_is_used_in_place_under_its_own_name(tmp_path: Path) -> None:
    model = tmp_path / "my-model"
    model.mkdir()
    (model / "MLmodel").write_text("flavors: {}")
    objects = DirectoryObjects(model)
    resolved = resolve(parse(str(model)), objects)
    assert (resolved.name, resolved.version, resolved.manifest) == ("my-model", None, None)
    assert fetch(resolved, objects, tmp_path / "cache") == model


def test_a_link_inside_a_bare_directory_is_refused(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "MLmodel").write_text("flavors: {}")
    (model / "data").symlink_to("/etc")
    with pytest.raises(ArtifactCorrupt):
        resolve(parse(str(model)), DirectoryObjects(model))


def test_a_local_directory_imports_no_cloud_client() -> None:
    code = "import sys, modelserve.store.download.fetch, modelserve.store.trust.policy; print(*sys.modules)"
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    found = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
    # Bare google.cloud is a namespace that some .pth files make in every process.
    heavy = (
        "google.cloud.",
        "google.auth",
        "google.api_core",
        "requests",
        "grpc",
        "mlflow",
        "sklearn",
        "numpy",
        "skops",
    )
    assert [name for name in found.stdout.split() if name.startswith(heavy)] == []
