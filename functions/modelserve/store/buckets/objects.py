"""The interface to a bucket, which a Cloud Storage bucket and a local directory implement."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from modelserve.core.errors import ArtifactCorrupt, ArtifactMissing
from modelserve.store.names.paths import printable

Write = Callable[[bytes], object]
Progress = Callable[[int], object]


@dataclass(frozen=True)
class ObjectInfo:
    """One generation of one object. `size` is in bytes; `crc32c` is None if the server does not say."""

    name: str
    size: int
    generation: int
    crc32c: int | None


class GenerationGone(ArtifactMissing):
    """The pinned generation was replaced or deleted while it was read."""


def too_long(name: str, limit: int) -> ArtifactCorrupt:
    return ArtifactCorrupt(f"The file {printable(name)} is longer than its limit of {limit:,} bytes.")


class Objects(Protocol):
    """Every method raises `StoreUnavailable` when the store cannot be reached in time or refuses the credentials."""

    def list(self, prefix: str) -> Sequence[ObjectInfo]:
        """Every object whose name starts with `prefix`, in order of name; one consistent set of generations."""

    def stat(self, name: str) -> ObjectInfo | None: ...

    def read(
        self, name: str, limit: int, if_generation_not_match: int | None = None
    ) -> tuple[bytes, ObjectInfo] | None:
        """A small object; None if it still has this generation. Raises `ArtifactMissing`, or `ArtifactCorrupt` for more than `limit` bytes."""

    def read_range(self, info: ObjectInfo, start: int, end: int, write: Write) -> None:
        """Bytes `start` to `end` (exclusive) of exactly this generation, in order, resumed after a broken stream.
        Raises `GenerationGone`. The bytes are not verified: hash the finished file."""

    def create(self, name: str, source: Path, progress: Progress | None = None) -> ObjectInfo:
        """Upload a file and check its CRC32C. Raises `PreconditionFailed` if the name is taken. `progress` gets the
        bytes since its last call; a retry first takes them back, as a negative number."""

    def write(self, name: str, data: bytes, if_generation_match: int) -> ObjectInfo:
        """Replace this generation (0: create). Raises `PreconditionFailed` if another writer was first."""

    def delete(self, name: str, if_generation_match: int) -> None:
        """Succeeds if there is no such object."""

    def close(self) -> None:
        """Close the connections; idempotent."""


def read_object(objects: Objects, name: str, limit: int) -> tuple[bytes, ObjectInfo]:
    found = objects.read(name, limit)
    if found is None:
        raise ArtifactCorrupt("The store answered a condition that it was not given.")
    return found
