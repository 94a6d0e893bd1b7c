"""The manifest of a version. It is written last and never replaced: a version without a manifest does not exist."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from operator import attrgetter
from typing import Annotated, Any, Final, NotRequired, TypedDict

import msgspec

from modelserve.core.errors import ArtifactCorrupt, BadSetting
from modelserve.store.names import checksums
from modelserve.store.names.locations import MANIFEST, MLMODEL, check_model_name, check_version
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
    """`signature` is the MLmodel's; `runtime` has a `kind`, native or compiled; `environment` is `{"python": "3.11.7",
    "packages": {"scikit-learn": "1.9.1"}}`; `sample` are the records that warm up a loaded version; `extra` keeps
    unknown keys, so that a copy loses nothing."""

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
        document |= {
            "format": FORMAT,
            "files": [entry.to_json() for entry in sorted(self.files, key=attrgetter("path"))],
        }
        text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        return text.encode() + b"\n"

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the bytes in hex, as in an alias and in `/metadata`."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    @classmethod
    def from_bytes(cls, data: bytes) -> Manifest:
        try:
            raw = documents.parse(data)
        except documents.Unreadable as error:
            raise ArtifactCorrupt(f"The manifest {error}; publish the version again.") from error
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


Digest = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]


class File(msgspec.Struct, forbid_unknown_fields=True):
    path: str
    size: Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
    crc32c: str
    sha256: Digest


class Environment(TypedDict, total=False):
    python: str | None
    packages: dict[str, str]


class Presentation(TypedDict, total=False):
    positive_class: str | None
    threshold: float | None
    label: str | None


class Native(TypedDict):
    """What a server reads of a native `runtime`."""

    merges: NotRequired[bool]


class Output(TypedDict):
    name: str


class Compiled(TypedDict):
    """What a server reads of a compiled `runtime`."""

    file: str
    outputs: Annotated[list[Output], msgspec.Meta(min_length=1)]
    classes: NotRequired[list[str | bool | int | float] | None]


class Document(TypedDict):
    """The shape of a manifest. More keys are allowed."""

    name: str
    version: str
    signature: dict[str, Any] | None
    runtime: dict[str, Any]
    methods: Annotated[list[str], msgspec.Meta(min_length=1)]
    environment: Environment
    presentation: Presentation | None
    provenance: dict[str, str | None]
    sample: list[dict[str, Any]]
    files: list[File]


RUNTIMES: Final = {"native": Native, "compiled": Compiled}
_KEYS = Document.__annotations__.keys() - {"files"}


def _manifest(raw: dict[str, Any]) -> Manifest:
    values = {key: raw[key] for key in _KEYS}
    found: Document = msgspec.convert(raw, Document)
    if found["runtime"]["kind"] not in RUNTIMES:
        raise ValueError("runtime.kind must be native or compiled")
    msgspec.convert(raw["runtime"], RUNTIMES[found["runtime"]["kind"]])
    check_model_name(found["name"])
    check_version(found["version"])
    files = [FileEntry(one.path, one.size, checksums.decode(one.crc32c), one.sha256) for one in found["files"]]
    paths = {entry.path for entry in files}
    check_names(entry.path for entry in files)
    if MLMODEL not in paths or MANIFEST in paths:
        raise ValueError(f"its files must contain MLmodel and must not contain {MANIFEST}")
    extra = {key: value for key, value in raw.items() if key not in {*_KEYS, "format", "files"}}
    return Manifest(**values, files=tuple(files), extra=extra)
