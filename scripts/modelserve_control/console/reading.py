"""The store as one request sees it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from modelserve.store.buckets.objects import ObjectInfo, Objects, Write


class CachedReads:
    """Reads each listing and each small object once, and writes nothing."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._lists: dict[str, Sequence[ObjectInfo]] = {}
        self._read: dict[str, tuple[bytes, ObjectInfo]] = {}

    def list(self, prefix: str) -> Sequence[ObjectInfo]:
        known = next((one for one in self._lists if prefix.startswith(one)), None)
        if known is None:
            known = prefix
            self._lists[prefix] = self._objects.list(prefix)
        return [info for info in self._lists[known] if info.name.startswith(prefix)]

    def stat(self, name: str) -> ObjectInfo | None:
        return self._objects.stat(name)

    def read(
        self, name: str, limit: int, if_generation_not_match: int | None = None
    ) -> tuple[bytes, ObjectInfo] | None:
        if name not in self._read:
            found = self._objects.read(name, limit)
            if found is None:
                return None
            self._read[name] = found
        data, info = self._read[name]
        return None if info.generation == if_generation_not_match else (data, info)

    def read_range(self, info: ObjectInfo, start: int, end: int, write: Write) -> None:
        self._objects.read_range(info, start, end, write)


def read_once(objects: Objects) -> Objects:
    return cast(Objects, CachedReads(objects))
