"""A real fake-gcs-server, and versions in it."""

from __future__ import annotations

import http.client
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit

from bucket_server import bucket_server
from modelserve.store.buckets.objects import Objects
from modelserve.store.names import checksums
from modelserve.store.names.locations import manifest_name, version_prefix
from modelserve.store.versions.alias import Alias, write_alias
from modelserve.store.versions.manifest import FileEntry, Manifest

BUCKET = "models-of-tests"
FILES: Mapping[str, bytes] = {
    "MLmodel": b"flavors: {}\n",
    "model.skops": bytes(range(256)) * 4000,  # about 1 MB, so that a stream can break inside
    "requirements.txt": b"scikit-learn==1.9.1\n",
    "nested/empty.txt": b"",
    "nested/deep/data.bin": b"\0\1\2" * 100,
}


@contextmanager
def fake_gcs() -> Iterator[str]:
    """Its address. The bucket is empty; the memory backend keeps names that a file system would not."""
    with bucket_server() as server:
        server.bucket(BUCKET)
        yield server.url


def request(url: str, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    try:
        connection.request(method, path, body, {"content-type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def put(url: str, name: str, data: bytes) -> None:
    """Past every check of ours: what somebody else may have done to the bucket."""
    path = f"/upload/storage/v1/b/{BUCKET}/o?uploadType=media&name={quote(name, safe='')}"
    assert request(url, "POST", path, data)[0] == 200


def entries(files: Mapping[str, bytes]) -> tuple[FileEntry, ...]:
    found = []
    for path, data in files.items():
        sums = checksums.of_bytes(data)
        found.append(FileEntry(path, sums.size, sums.crc32c, sums.sha256))
    return tuple(found)


def manifest_of(name: str, version: str, files: Mapping[str, bytes] = FILES) -> Manifest:
    return Manifest(name, version, entries(files))


def publish(objects: Objects, name: str, version: str, files: Mapping[str, bytes] = FILES) -> Manifest:
    manifest = manifest_of(name, version, files)
    with tempfile.TemporaryDirectory() as directory:
        for path, data in files.items():
            source = Path(directory) / "source"
            source.write_bytes(data)
            objects.create(f"{version_prefix(name, version)}/{path}", source)
    objects.write(manifest_name(name, version), manifest.to_bytes(), 0)
    return manifest


def remove(objects: Objects, name: str) -> None:
    info = objects.stat(name)
    assert info is not None
    objects.delete(name, info.generation)


def promote(objects: Objects, name: str, alias: str, manifest: Manifest, generation: int = 0) -> int:
    doc = Alias(manifest.version, manifest.digest, updated_by="ann", updated_at="2026-01-02T03:04:05Z")
    return write_alias(objects, name, alias, doc, generation)


def tree(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()
    }


@contextmanager
def emulator(url: str) -> Iterator[None]:
    """The client reads the address when it is made."""
    before = os.environ.get("STORAGE_EMULATOR_HOST")
    os.environ["STORAGE_EMULATOR_HOST"] = url
    try:
        yield
    finally:
        if before is None:
            del os.environ["STORAGE_EMULATOR_HOST"]
        else:
            os.environ["STORAGE_EMULATOR_HOST"] = before
