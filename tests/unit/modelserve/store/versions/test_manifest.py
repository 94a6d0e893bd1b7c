from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest

from modelserve.core.errors import ArtifactCorrupt
from modelserve.store.versions.manifest import FileEntry, Manifest

SHA = hashlib.sha256(b"").hexdigest()
FILES = (FileEntry("model.onnx", 0, 0, SHA), FileEntry("MLmodel", 3, 4_294_967_295, SHA))


def make(**changes: Any) -> Manifest:
    return Manifest(**{"name": "churn", "version": "7", "files": FILES, **changes})


def test_the_same_content_gives_the_same_bytes_and_digest() -> None:
    one, two = make(sample=[{"b": 1, "a": 2}]), make(sample=[{"a": 2, "b": 1}], files=FILES[::-1])
    assert one.to_bytes() == two.to_bytes()
    assert one.digest == two.digest == hashlib.sha256(one.to_bytes()).hexdigest()


def test_a_manifest_reads_back_as_it_was_written() -> None:
    manifest = make(
        signature={"inputs": "[]"},
        runtime={"kind": "compiled", "opset": 5, "file": "model.onnx", "outputs": [{"name": "predict"}]},
        methods=["predict", "predict_proba"],
        environment={"python": "3.11.7", "packages": {"scikit-learn": "1.9.1"}},
        presentation={"positive_class": "yes", "threshold": 0.1, "label": "churn"},
        provenance={"who": "ünal"},
        sample=[{"x": 1e-300, "n": None}],
        extra={"later": [1]},
    )
    again = Manifest.from_bytes(manifest.to_bytes())
    assert again.to_bytes() == manifest.to_bytes()
    assert (again.extra, again.sample, again.runtime) == (manifest.extra, manifest.sample, manifest.runtime)


def test_checksums_are_written_as_gcloud_prints_them() -> None:
    assert json.loads(make().to_bytes())["files"][0]["crc32c"] == "/////w=="


def without(key: str) -> Callable[[dict[str, Any]], object]:
    return lambda raw: raw.pop(key)


def setting(key: str, value: Any) -> Callable[[dict[str, Any]], object]:
    return lambda raw: raw.update({key: value})


def entry(place: int = 0, **changes: Any) -> Callable[[dict[str, Any]], object]:
    """MLmodel is the first."""
    return lambda raw: raw["files"][place].update(changes)


WRONG: dict[str, Callable[[dict[str, Any]], object]] = {
    "no name": without("name"),
    "no files": without("files"),
    "no signature key": without("signature"),
    "newer format": setting("format", 2),
    "number as version": setting("version", 7),
    "bad version": setting("version", "07"),
    "bad name": setting("name", "../x"),
    "no MLmodel": setting("files", []),
    "files as mapping": setting("files", {}),
    "unknown runtime": setting("runtime", {"kind": "quantum"}),
    "runtime without kind": setting("runtime", {}),
    "merges as a text": setting("runtime", {"kind": "native", "merges": "false"}),
    "merges as a number": setting("runtime", {"kind": "native", "merges": 0}),
    "merges as null": setting("runtime", {"kind": "native", "merges": None}),
    "no methods": setting("methods", []),
    "sample of lists": setting("sample", [[1]]),
    "hostile path": entry(path="../x"),
    "hostile path beside an MLmodel": entry(1, path="../x"),
    "absolute path beside an MLmodel": entry(1, path="/etc/x"),
    "itself": entry(path="manifest.json"),
    "negative size": entry(size=-1),
    "boolean size": entry(size=True),
    "short sha256": entry(sha256="00"),
    "upper-case sha256": entry(sha256=SHA.upper()),
    "short crc32c": entry(crc32c="AAA="),
    "text crc32c": entry(crc32c="%%%%"),
    "another key in a file": entry(mode=493),
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_manifest_is_refused_with_a_reason(change: Callable[[dict[str, Any]], object]) -> None:
    raw = json.loads(make().to_bytes())
    change(raw)
    data = json.dumps(raw, sort_keys=True, separators=(",", ":")).encode() + b"\n"
    with pytest.raises(ArtifactCorrupt) as caught:
        Manifest.from_bytes(data)
    assert "edited" not in caught.value.message


@pytest.mark.parametrize("data", [b"", b"[]", b"\xff", b"[" * 100_000, b'"x"'])
def test_what_is_not_a_json_object_is_refused(data: bytes) -> None:
    with pytest.raises(ArtifactCorrupt, match=r"not|nested"):
        Manifest.from_bytes(data)


def test_a_manifest_that_was_edited_by_hand_is_refused() -> None:
    data = make().to_bytes()
    with pytest.raises(ArtifactCorrupt, match="edited"):
        Manifest.from_bytes(data.replace(b",", b", ", 1))
