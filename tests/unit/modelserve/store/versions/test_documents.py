"""Manifests and aliases that are not what a writer of this kit leaves: one sentence, whatever it is."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Timer
from typing import Any

import pytest

from faults.store.servers import manifest_of, promote, publish
from modelserve.core.errors import ArtifactCorrupt, ArtifactMissing
from modelserve.store.buckets.local import DirectoryObjects
from modelserve.store.names.locations import manifest_name, parse
from modelserve.store.names.paths import printable
from modelserve.store.versions.alias import Alias, poll_alias, read_alias
from modelserve.store.versions.manifest import Manifest
from modelserve.store.versions.resolve import resolve

ALIAS = Alias("8", "a" * 64, "7", "b" * 64, "ann", "2026-01-02T03:04:05Z", "better on May")
COMPILED = {"kind": "compiled", "file": "model.onnx"}

Bytes = Callable[[bytes], bytes]


def insert(text: str) -> Bytes:
    """One more entry in front."""
    return lambda data: b"{" + text.encode() + b"," + data[1:]


READINGS: dict[str, tuple[Bytes, str]] = {
    "a key twice": (lambda data: b'{"version":"9",' + data[1:], "names a key twice"),
    "a key twice, further in": (insert('"later":[{"a":1,"a":2}]'), "names a key twice"),
    "a key twice, in another spelling": (insert('"later":{"a":1,"\\u0061":2}'), "names a key twice"),
    "UTF-16": (lambda data: data.decode().encode("utf-16"), "is not UTF-8"),
    "UTF-16 without a mark": (lambda data: data.decode().encode("utf-16-le"), "is not JSON"),
    "UTF-32": (lambda data: data.decode().encode("utf-32"), "is not UTF-8"),
    "a byte order mark": (lambda data: b"\xef\xbb\xbf" + data, "begins with a byte order mark"),
    "not UTF-8": (lambda data: data.replace(b"a", b"\x80", 1), "is not UTF-8"),
    "NaN": (insert('"later":NaN'), "contains NaN"),
    "Infinity": (insert('"later":[-Infinity]'), "contains NaN or Infinity"),
    "a number that is infinite": (insert('"later":1e999'), "number out of range"),
    "an integer of 5,000 digits": (insert('"later":' + "9" * 5_000), "number out of range"),
    "half a surrogate pair": (insert('"later":"\\ud800"'), "half of a surrogate pair"),
    "half a surrogate pair as a key": (insert('"\\uDFFF":1'), "half of a surrogate pair"),
    "a raw surrogate": (lambda data: data.replace(b"a", b"\xed\xa0\x80", 1), "is not UTF-8"),
    "deep": (insert('"later":' + "[" * 65 + "]" * 65), "nested deeper"),
    "very deep": (insert('"later":' + "[" * 100_000 + "]" * 100_000), "nested deeper"),
    "a list": (lambda data: b"[" + data + b"]", "is not a JSON object"),
    "text": (lambda data: b'"text"', "is not a JSON object"),
    "null": (lambda data: b"null", "is not a JSON object"),
    "nothing": (lambda data: b"", "is not JSON"),
    "two documents": (lambda data: data + data, "is not JSON"),
    "half a document": (lambda data: data[: len(data) // 2], "is not JSON"),
    "a comment": (lambda data: b"// ours\n" + data, "is not JSON"),
}


def one_sentence(message: str) -> bool:
    """Short, and without what Python says of itself."""
    return message.endswith(".") and message.isascii() and len(message) < 400 and "Traceback" not in message


@pytest.mark.parametrize(("change", "reason"), READINGS.values(), ids=READINGS.keys())
def test_an_alias_has_one_reading(change: Bytes, reason: str) -> None:
    with pytest.raises(ArtifactCorrupt, match=reason) as raised:
        Alias.from_bytes(change(ALIAS.to_bytes()))
    assert one_sentence(raised.value.message)
    assert "promote a version to replace it" in raised.value.message


@pytest.mark.parametrize(("change", "reason"), READINGS.values(), ids=READINGS.keys())
def test_a_manifest_has_one_reading(change: Bytes, reason: str) -> None:
    with pytest.raises(ArtifactCorrupt, match=reason) as raised:
        Manifest.from_bytes(change(manifest_of("churn", "7").to_bytes()))
    assert one_sentence(raised.value.message)
    assert "publish the version again" in raised.value.message


VALUES: tuple[Any, ...] = (None, True, 7, -1, 1.5, 10**30, "text", "", [], [1], {}, {"a": 1}, [[]], [{}])
# What is right beside the value that is there, by its place in the document.
RIGHT: dict[str, tuple[Any, ...]] = {
    "name": ("text",),
    "signature": (None, {}, {"a": 1}),
    "methods": (),
    "environment": ({}, {"a": 1}),
    "environment.python": (None, "text", ""),
    "environment.packages": ({},),
    "environment.packages.numpy": ("text", ""),
    "presentation": (None, {}, {"a": 1}),
    "presentation.positive_class": (None, "text", ""),
    "presentation.threshold": (None, 7, -1, 1.5, 10**30),
    "presentation.label": (None, "text", ""),
    "provenance": ({},),
    "provenance.run_id": (None, "text", ""),
    "sample": ([], [{}]),
    "runtime.file": ("text", ""),
    "runtime.outputs.0.name": ("text", ""),
    "runtime.classes": (None, [], [1]),
    "files.0.size": (7,),
}


def full() -> dict[str, Any]:
    """A manifest with something in every field."""
    raw: dict[str, Any] = json.loads(manifest_of("churn", "7").to_bytes())
    return raw | {
        "runtime": {**COMPILED, "outputs": [{"name": "predict"}], "classes": ["no", "yes"]},
        "signature": {"inputs": "[]"},
        "environment": {"python": "3.11.7", "packages": {"numpy": "2.4.6"}},
        "presentation": {"positive_class": "yes", "threshold": 0.5, "label": "churn"},
        "provenance": {"run_id": "r1"},
        "sample": [{"x": 1.0}],
    }


FIELDS: tuple[str, ...] = ("format", "version", "files", "files.0", "files.0.path", "files.0.size", "files.0.crc32c")
FIELDS += ("files.0.sha256", "runtime", "runtime.kind", "runtime.outputs", "runtime.outputs.0", *RIGHT)


def replace_at(raw: dict[str, Any], place: str, value: Any) -> bytes:
    """With this value at that place, written as a manifest is."""
    *way, last = place.split(".")
    inner: Any = raw
    for part in way:
        inner = inner[int(part) if isinstance(inner, list) else part]
    inner[int(last) if isinstance(inner, list) else last] = value
    return json.dumps(raw, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


@pytest.mark.parametrize("place", FIELDS)
def test_every_field_of_a_manifest_is_what_it_must_be(place: str) -> None:
    for value in VALUES:
        data = replace_at(full(), place, value)
        if any(type(value) is type(right) and value == right for right in RIGHT.get(place, ())):
            assert Manifest.from_bytes(data).to_bytes() == data
            continue
        with pytest.raises(ArtifactCorrupt) as raised:
            Manifest.from_bytes(data)
        assert one_sentence(raised.value.message), value
        assert "edited" not in raised.value.message, value


@pytest.mark.parametrize("place", ALIAS.__dict__)
def test_every_field_of_an_alias_is_what_it_must_be(place: str) -> None:
    for value in VALUES:
        text = place in ("updated_by", "updated_at", "reason")
        if (text and type(value) is str) or (value is None and place == "previous_version"):
            continue
        if (place == "rollback" and type(value) is bool) or (place == "history" and value == []):
            continue
        raw = json.loads(ALIAS.to_bytes()) | {place: value}
        with pytest.raises(ArtifactCorrupt):
            Alias.from_bytes(json.dumps(raw).encode())


# --- what stands in place of a file ---

Put = Callable[[Path], None]


def put_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        here = os.open(path.parent, os.O_RDONLY)  # a socket's path may have 107 bytes
        try:
            made.bind(f"/proc/self/fd/{here}/{path.name}")
        finally:
            os.close(here)


def put_device(path: Path) -> None:
    try:
        os.mknod(path, 0o600 | 0o020000, os.makedev(1, 5))  # /dev/zero, which never ends
    except PermissionError:
        pytest.skip("only root makes devices")


def put_link(path: Path) -> None:
    """To a document that would be right in its place."""
    path.symlink_to(path.with_name("real"))


NO_FILES: dict[str, Put] = {
    "pipe": lambda path: os.mkfifo(path),
    "socket": put_socket,
    "device": put_device,
    "directory": lambda path: path.mkdir(),
    "link": put_link,
    "link to nothing": lambda path: path.symlink_to("nothing"),
}


@contextmanager
def in_place_of(path: Path, put: Put) -> Iterator[None]:
    path.rename(path.with_name("real"))
    put(path)
    waiting: list[Path] = []
    rescue = Timer(10, let_go, [path, waiting])
    rescue.start()
    try:
        yield
    finally:
        rescue.cancel()
    assert not waiting, "it waited for somebody to write into the pipe"


def let_go(path: Path, waiting: list[Path]) -> None:
    """Whoever waits at this pipe."""
    with suppress(OSError):  # nobody does
        os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
        waiting.append(path)


@pytest.fixture
def objects(tmp_path: Path) -> DirectoryObjects:
    found = DirectoryObjects(tmp_path / "store")
    promote(found, "churn", "champion", publish(found, "churn", "1"))
    return found


@pytest.mark.parametrize("put", NO_FILES.values(), ids=NO_FILES.keys())
@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("models/churn/aliases/champion.json", lambda objects: read_alias(objects, "churn", "champion")),
        ("models/churn/aliases/champion.json", lambda objects: poll_alias(objects, "churn", "champion", 7)),
        ("models/churn/aliases/champion.json", lambda objects: objects.stat("models/churn/aliases/champion.json")),
        (
            manifest_name("churn", "1"),
            lambda objects: resolve(parse(f"{objects.root}/models/churn/versions/1"), objects),
        ),
        (manifest_name("churn", "1"), lambda objects: objects.write(manifest_name("churn", "1"), b"{}", 0)),
    ],
    ids=["alias", "alias that is polled", "alias that is looked for", "manifest", "manifest that is written"],
)
def test_only_a_plain_file_is_opened(
    name: str, read: Callable[[DirectoryObjects], object], put: Put, objects: DirectoryObjects
) -> None:
    with in_place_of(objects.root / name, put), pytest.raises(ArtifactCorrupt) as raised:
        read(objects)
    assert one_sentence(raised.value.message)
    assert printable(name) in raised.value.message
    assert "is a link or a device" in raised.value.message


def test_a_file_of_a_version_that_became_a_link_is_not_followed(objects: DirectoryObjects) -> None:
    info = objects.stat("models/churn/versions/1/model.skops")
    assert info is not None
    read: list[bytes] = []
    with in_place_of(objects.root / info.name, put_link), pytest.raises(ArtifactCorrupt, match="is a link or a device"):
        objects.read_range(info, 0, info.size, read.append)
    assert read == []


def test_the_manifest_of_another_version_is_not_this_ones(objects: DirectoryObjects) -> None:
    """As copying a version's directory by hand leaves it: every file is as its manifest says."""
    publish(objects, "churn", "2")
    for copied, owner in (("models/churn/versions/2", "version 1 of churn"), ("models/other/versions/1", "churn")):
        target = objects.root / copied / "manifest.json"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((objects.root / manifest_name("churn", "1")).read_bytes())
        with pytest.raises(ArtifactCorrupt, match=r"is that of version 1 of churn\.$") as raised:
            resolve(parse(f"{objects.root}/{copied}"), objects)
        assert owner in raised.value.message


def test_a_store_without_the_document_says_so(objects: DirectoryObjects) -> None:
    assert read_alias(objects, "churn", "beta") is None
    with pytest.raises(ArtifactMissing):
        poll_alias(objects, "churn", "beta", None)
