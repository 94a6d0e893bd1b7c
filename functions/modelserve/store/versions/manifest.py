"""The manifest of a version. It is written last and never replaced: a version without a manifest does not exist."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, NotRequired, TypedDict

import msgspec

from modelserve.core.errors import ArtifactCorrupt, BadSetting
from modelserve.store.names import checksums
from modelserve.store.names.locations import MANIFEST, check_model_name, check_version
from modelserve.store.names.paths import check_names, printable
from modelserve.store.versions import documents

FORMAT = 1
MAX_BYTES = 16 << 20  # an entry is about 200 bytes, so 80,000 files


@dataclass(frozen=True)
class FileEntry:
    """`path` with slashes, relative to the version; `size` in bytes; `crc32c` unsigned; `sha256` in lower-case hex."""

    path: str
    size: int
    crc32c: int
    sha256: str

    @property
    def checksums(self) -> checksums.Checksums:
        return checksums.Checksums(self.size, self.crc32c, self.sha256)

    def to_json(self) -> dict[str, Any]:
        return {"path": self.path, "size": self.size, "crc32c": checksums.encode(self.crc32c), "sha256": self.sha256}


@dataclass(frozen=True)
class Manifest:
    """Unknown keys are kept in `extra`, so that a copy loses nothing.

    `signature` is the MLmodel's; `runtime` has a `kind`, native or compiled; `environment` is
    `{"python": "3.11.7", "packages": {"scikit-learn": "1.9.1"}}`; `presentation` has positive_class, threshold and
    label; `sample` are the records that warm up a loaded version.
    """

    name: str
    version: str
    files: tuple[FileEntry, ...]
    signature: Mapping[str, Any] | None = None
    runtime: Mapping[str, Any] = field(default_factory=lambda: {"kind": "native"})
    methods: Sequence[str] = ("predict",)
    environment: Mapping[str, Any] = field(default_factory=dict)
    presentation: Mapping[str, Any] | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    sample: Sequence[Mapping[str, Any]] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """Canonical JSON: sorted keys, no spaces, UTF-8, a newline at the end; the same content gives the same bytes."""
        document = dict(self.extra) | {key: getattr(self, key) for key in _KEYS}
        document |= {"format": FORMAT, "files": [entry.to_json() for entry in sorted(self.files, key=_path)]}
        text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        return text.encode() + b"\n"

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the bytes in hex, as in an alias and in `/metadata`."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    @classmethod
    def from_bytes(cls, data: bytes) -> Manifest:
        """Raises `ArtifactCorrupt`, which says what is wrong."""
        raw = _document(data)
        if type(raw.get("format")) is not int or raw["format"] != FORMAT:
            raise ArtifactCorrupt(
                f"The manifest has format {printable(str(raw.get('format')))} and this server reads {FORMAT}; update the server."
            )
        try:
            manifest = _manifest(raw)
            written = manifest.to_bytes()
        except (KeyError, TypeError, ValueError, BadSetting) as error:
            what = f"has no {error.args[0]}" if isinstance(error, KeyError) else f"is wrong: {error}"
            raise ArtifactCorrupt(f"The manifest {what.rstrip('.')}; publish the version again.") from error
        if written != data:
            raise ArtifactCorrupt("The manifest was edited after it was written; publish the version again.")
        return manifest


class Environment(TypedDict, total=False):
    python: str | None
    packages: dict[str, str]


class Presentation(TypedDict, total=False):
    positive_class: str | None
    threshold: float | None
    label: str | None


class Native(TypedDict):
    """What a server reads of a `runtime` that is not compiled."""

    merges: NotRequired[bool]


class Output(TypedDict):
    name: str


class Compiled(TypedDict):
    """What a server reads of a compiled `runtime`."""

    file: str
    outputs: Annotated[list[Output], msgspec.Meta(min_length=1)]
    classes: NotRequired[list[str | bool | int | float] | None]


_KEYS = (
    "name",
    "version",
    "signature",
    "runtime",
    "methods",
    "environment",
    "presentation",
    "provenance",
    "sample",
)


def _path(entry: FileEntry) -> str:
    return entry.path


def _document(data: bytes) -> dict[str, Any]:
    try:
        return documents.parse(data)
    except documents.Unreadable as error:
        raise ArtifactCorrupt(f"The manifest {error}; publish the version again.") from error


def _manifest(raw: dict[str, Any]) -> Manifest:
    files = tuple(_entry(item) for item in _typed(raw, "files", list))
    check_names(entry.path for entry in files)
    paths = {entry.path for entry in files}
    if "MLmodel" not in paths or MANIFEST in paths:
        raise ValueError(f"its files must contain MLmodel and must not contain {MANIFEST}")
    return Manifest(
        name=check_model_name(_typed(raw, "name", str)),
        version=check_version(_typed(raw, "version", str)),
        files=files,
        signature=_optional(raw, "signature"),
        runtime=_runtime(raw),
        methods=_methods(_typed(raw, "methods", list)),
        environment=_with_shape(raw, "environment", Environment),
        presentation=_with_shape(raw, "presentation", Presentation | None),
        provenance=_with_shape(raw, "provenance", dict[str, str | None]),
        sample=_records(_typed(raw, "sample", list)),
        extra={key: value for key, value in raw.items() if key not in {*_KEYS, "format", "files"}},
    )


def _entry(item: Any) -> FileEntry:
    if not isinstance(item, dict) or set(item) != {"path", "size", "crc32c", "sha256"}:
        raise TypeError("a file has exactly path, size, crc32c and sha256")
    size, sha256 = _typed(item, "size", int), _typed(item, "sha256", str)
    if isinstance(size, bool) or not 0 <= size < 1 << 63:
        raise ValueError("a size is an integer of at least 0")
    if len(sha256) != 64 or set(sha256) - set("0123456789abcdef"):
        raise ValueError("a sha256 is 64 lower-case hex digits")
    return FileEntry(_typed(item, "path", str), size, checksums.decode(_typed(item, "crc32c", str)), sha256)


def _typed(raw: Mapping[str, Any], key: str, kind: type) -> Any:
    if not isinstance(raw[key], kind):
        raise TypeError(f"{key} must be a {kind.__name__}")
    return raw[key]


def _optional(raw: Mapping[str, Any], key: str) -> Mapping[str, Any] | None:
    found: Mapping[str, Any] | None = None if raw[key] is None else _typed(raw, key, dict)
    return found


def _with_shape(raw: Mapping[str, Any], key: str, shape: Any) -> Any:
    """The value, unchanged, if it has this shape. More keys are allowed."""
    try:
        msgspec.convert(raw[key], shape)
    except msgspec.ValidationError as error:
        raise TypeError(f"{key} has a wrong form ({error})") from error
    return raw[key]


def _runtime(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    runtime: Mapping[str, Any] = _typed(raw, "runtime", dict)
    if runtime["kind"] not in ("native", "compiled"):
        raise ValueError("runtime.kind must be native or compiled")
    _with_shape(raw, "runtime", Compiled if runtime["kind"] == "compiled" else Native)
    return runtime


def _methods(methods: Sequence[Any]) -> Sequence[str]:
    if not methods or not all(isinstance(method, str) for method in methods):
        raise ValueError("methods must name at least one method")
    return methods


def _records(sample: Sequence[Any]) -> Sequence[Mapping[str, Any]]:
    if not all(isinstance(record, dict) for record in sample):
        raise ValueError("sample must be a list of records")
    return sample
