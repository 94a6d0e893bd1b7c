"""An object of a bucket as a file that pyarrow reads in ranges: of a large file only what a part needs."""

from __future__ import annotations

import io
from typing import Any

from modelserve.store.buckets.objects import ObjectInfo, Objects


class ObjectFile(io.RawIOBase):
    """One generation of an object."""

    def __init__(self, objects: Objects, info: ObjectInfo) -> None:
        super().__init__()
        self.objects = objects
        self.info = info
        self.place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self.place = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self.place, io.SEEK_END: self.info.size}[whence]
        return self.place

    def read(self, size: int = -1) -> bytes:
        end = self.info.size if size < 0 else min(self.place + size, self.info.size)
        data = bytearray()
        if end > self.place:
            self.objects.read_range(self.info, self.place, end, data.extend)
        self.place += len(data)
        return bytes(data)

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)
