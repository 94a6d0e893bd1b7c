"""The bucket itself: uploads, large objects, credentials, and what the emulator address may be."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from faults.proxy import Fault, Proxy
from faults.store.servers import BUCKET, emulator, publish, tree
from modelserve.core.errors import ArtifactCorrupt, ArtifactMissing, PreconditionFailed, StoreUnavailable
from modelserve.store.buckets.gcs import GcsObjects
from modelserve.store.download.fetch import fetch
from modelserve.store.download.transfer import CHUNK
from modelserve.store.names.locations import parse
from modelserve.store.versions.resolve import resolve


def test_an_upload_is_created_once_and_reports_each_byte_once(
    proxy: Proxy, objects: GcsObjects, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"x" * 100_000)
    proxy.script([Fault("return-503", "^POST /upload")])
    seen: list[int] = []
    info = objects.create("note", source, seen.append)
    assert (info.size, sum(seen)) == (100_000, 100_000)
    with pytest.raises(PreconditionFailed):
        objects.create("note", source)


def test_a_write_compares_generations(direct: GcsObjects) -> None:
    first = direct.write("x.json", b"1", 0)
    second = direct.write("x.json", b"2", first.generation)
    with pytest.raises(PreconditionFailed):
        direct.write("x.json", b"3", first.generation)
    assert direct.read("x.json", 10) == (b"2", second)
    assert direct.read("x.json", 10, second.generation) is None
    assert direct.stat("x.json") == second


def test_reading_is_bounded_and_says_what_is_missing(direct: GcsObjects) -> None:
    direct.write("x", b"12345", 0)
    with pytest.raises(ArtifactCorrupt):
        direct.read("x", 4)
    with pytest.raises(ArtifactMissing):
        direct.read("y", 4)
    assert direct.stat("y") is None
    direct.delete("y", 1)


def test_a_small_object_that_arrives_changed_is_read_again(proxy: Proxy, objects: GcsObjects) -> None:
    objects.write("x", b"12345", 0)
    proxy.script([Fault("corrupt", "/o/x")])
    found = objects.read("x", 10)
    assert found is not None
    assert found[0] == b"12345"


def test_an_object_of_several_parts_is_put_together(direct: GcsObjects, cache: Path) -> None:
    files = {"MLmodel": b"", "model.bin": os.urandom(CHUNK + 4096)}
    publish(direct, "churn", "1", files)
    directory = fetch(resolve(parse("gs://any/models/churn/versions/1"), direct), direct, cache)
    assert tree(directory).items() >= files.items()


def test_without_credentials_it_never_goes_on_anonymously(tmp_path: Path) -> None:
    code = "from modelserve.store.buckets.gcs import GcsObjects\ntry: GcsObjects('bucket')\nexcept Exception as e: print(type(e).__name__, e)"
    environ = {
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "HOME": str(tmp_path),
        "NO_GCE_CHECK": "true",  # google-auth asks no metadata server
    }
    command = [sys.executable, "-c", code]
    found = subprocess.run(command, env=environ, capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout.startswith("StoreUnavailable There are no Google credentials here")


def test_an_emulator_address_without_its_scheme_is_explained(server: str) -> None:
    with emulator(server.removeprefix("http://")), pytest.raises(StoreUnavailable, match="http://"):
        GcsObjects(BUCKET)
