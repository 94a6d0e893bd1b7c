"""A local directory with the semantics of a bucket: for tests, laptops and mounted volumes.

The generation of a file is its modification time in nanoseconds, which every write increases.
"""

import errno
import fcntl
import os
import stat
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from modelserve.core.errors import ArtifactCorrupt, ArtifactMissing, PreconditionFailed, StoreUnavailable
from modelserve.store.buckets.objects import GenerationGone, ObjectInfo, Progress, Write, too_long
from modelserve.store.names.checksums import BLOCK, of_bytes
from modelserve.store.names.paths import invalid_reason, not_a_regular_file, printable, walk

# The directory of the lock and of incomplete files; it is never listed.
PRIVATE = ".modelserve"
NOT_REGULAR = frozenset({errno.ELOOP, errno.ENXIO})  # the errors of opening a link and a socket


class DirectoryObjects:
    def __init__(self, root: Path) -> None:
        self.root = root

    def close(self) -> None:
        return

    def list(self, prefix: str) -> Sequence[ObjectInfo]:
        """`crc32c` is None, because it would take reading every file."""
        below, _, _ = prefix.rpartition("/")
        directory = self._path(below) if below else self.root
        if not directory.is_dir():
            return []
        start = f"{below}/" if below else ""
        with as_store_error("The directory cannot be used"):
            found = list(walk(str(directory), start))
        return [
            ObjectInfo(name, status.st_size, status.st_mtime_ns, None)
            for name, status in found
            if name.startswith(prefix) and not name.startswith(PRIVATE + "/")
        ]

    def stat(self, name: str) -> ObjectInfo | None:
        try:
            with self._open(name) as file:
                return _info(name, file)
        except ArtifactMissing:
            return None

    def read(
        self, name: str, limit: int, if_generation_not_match: int | None = None
    ) -> tuple[bytes, ObjectInfo] | None:
        with self._open(name) as file:
            info = _info(name, file)
            if info.generation == if_generation_not_match:
                return None
            data = file.read(limit + 1)
        if len(data) > limit:
            raise too_long(name, limit)
        return data, ObjectInfo(name, len(data), info.generation, of_bytes(data).crc32c)

    def read_range(self, info: ObjectInfo, start: int, end: int, write: Write) -> None:
        try:
            file = self._open(info.name)
        except ArtifactMissing as error:
            raise GenerationGone("A file was deleted while the version was read.") from error
        with file:
            file.seek(start)
            while start < end and (block := file.read(min(BLOCK, end - start))):
                write(block)
                start += len(block)
            if start < end or _info(info.name, file).generation != info.generation:
                raise GenerationGone("A file was replaced while the version was read.")

    def create(self, name: str, source: Path, progress: Progress | None = None) -> ObjectInfo:
        def fill(file: BinaryIO) -> None:
            with source.open("rb") as original:
                while block := original.read(BLOCK):
                    file.write(block)
                    if progress:
                        progress(len(block))

        return self._replace(name, fill, 0)

    def write(self, name: str, data: bytes, if_generation_match: int) -> ObjectInfo:
        return self._replace(name, lambda file: file.write(data), if_generation_match)

    def delete(self, name: str, if_generation_match: int) -> None:
        with self._lock():
            found = self.stat(name)
            if found is None:
                return
            _check(found, if_generation_match)
            path = self._path(name)
            path.unlink()
            while (path := path.parent) != self.root and not any(path.iterdir()):  # a bucket has no empty directories
                path.rmdir()

    def _replace(self, name: str, fill: Callable[[BinaryIO], object], generation: int) -> ObjectInfo:
        path = self._path(name)
        with as_store_error("The directory cannot be used"):
            temporary = self._private() / uuid.uuid4().hex  # not mkstemp, whose files only their owner may read
            try:
                with temporary.open("xb") as file:
                    fill(file)
                    file.flush()
                    os.fsync(file.fileno())
                return self._install(name, path, temporary, generation)
            finally:
                temporary.unlink(missing_ok=True)

    def _install(self, name: str, path: Path, temporary: Path, generation: int) -> ObjectInfo:
        with self._lock():
            found = self.stat(name)
            _check(found, generation)
            # Two writes within one tick of the clock must have different generations.
            now = max(time.time_ns(), found.generation + 1 if found else 0)
            os.utime(temporary, ns=(now, now))
            path.parent.mkdir(parents=True, exist_ok=True)
            os.replace(temporary, path)
            installed = self.stat(name)
        if installed is None:
            raise StoreUnavailable("The file disappeared while it was written.")
        return installed

    def _private(self) -> Path:
        path = self.root / PRIVATE
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        return path

    @contextmanager
    def _lock(self) -> Iterator[None]:
        with (self._private() / "lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # released when the file closes, and when the process dies
            yield

    def _path(self, name: str) -> Path:
        if reason := invalid_reason(name):
            raise ArtifactCorrupt(f"The file name {printable(name)} {reason}.")
        return self.root / name

    def _open(self, name: str) -> BinaryIO:
        path = self._path(name)
        try:
            # NOFOLLOW refuses a link that was put in the place of a file. NONBLOCK does not wait for the writer of a pipe.
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ArtifactMissing("The directory has no such file.") from error
        except OSError as error:
            if error.errno in NOT_REGULAR:
                raise not_a_regular_file(name) from error
            raise StoreUnavailable(f"The file {printable(name)} cannot be read: {error.strerror}.") from error
        if not stat.S_ISREG(os.fstat(handle).st_mode):  # of the open file: another may have its name by now
            os.close(handle)
            raise not_a_regular_file(name)
        return os.fdopen(handle, "rb")


def _info(name: str, file: BinaryIO) -> ObjectInfo:
    status = os.fstat(file.fileno())
    return ObjectInfo(name, status.st_size, status.st_mtime_ns, None)


def _check(found: ObjectInfo | None, generation: int) -> None:
    if (found.generation if found else 0) != generation:
        raise PreconditionFailed()


@contextmanager
def as_store_error(sentence: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreUnavailable(f"{sentence}: {error.strerror}.") from error
