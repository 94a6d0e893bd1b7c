"""Downloads pinned generations: several files at once, large ones in chunks, each file hashed when it is finished."""

import os
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event, Lock, Thread

from modelserve.core.errors import ArtifactCorrupt, StoreUnavailable
from modelserve.store.buckets.objects import ObjectInfo, Objects
from modelserve.store.names.checksums import Checksums, of_file
from modelserve.store.names.paths import printable

MAX_THREADS = 8  # enough to hide one round trip of a few files; more would only share the network
CHUNK = 16 << 20  # bytes; a broken stream is repeated from the start of its chunk at most, and 1 GB is 64 requests


@dataclass(frozen=True)
class FileSpec:
    """A file to download to `path` (relative), and what it must be. `sha256` is None without a manifest."""

    info: ObjectInfo
    path: str
    size: int
    crc32c: int | None = None
    sha256: str | None = None


def check(spec: FileSpec, found: Checksums) -> None:
    names = ("size", "crc32c", "sha256")
    differs = [name for name in names if getattr(spec, name) not in (None, getattr(found, name))]
    if differs:
        again = "; publish the version again" if spec.sha256 else ""
        raise ArtifactCorrupt(
            f"The file {printable(spec.info.name)} does not have its {' and '.join(differs)}, so it is not what was written{again}."
        )


def download(files: Sequence[FileSpec], objects: Objects, directory: Path) -> None:
    """All files into a new directory. Raises the first error, after every thread has stopped writing."""
    for spec in files:
        (directory / spec.path).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    stop = Event()
    # Left last: a handle may be closed only when no thread can write to it any more.
    with ExitStack() as stack:
        parts = [stack.enter_context(closing(PartialFile(spec, objects, directory, stop))) for spec in files]
        _run(deque(partial(part.fetch, start) for part in parts for start in part.starts), stop)


class PartialFile:
    """A file that several threads write to. It is closed and checked when it is complete."""

    def __init__(self, spec: FileSpec, objects: Objects, directory: Path, stop: Event) -> None:
        self.starts = range(0, max(spec.size, 1), CHUNK)
        self._spec = spec
        self._objects = objects
        self._path = directory / spec.path
        self._stop = stop
        self._missing = len(self.starts)
        self._lock = Lock()
        # Exclusive and without following links: the directory is new, so anything there is not ours.
        handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        self._file = os.fdopen(handle, "wb", buffering=0)

    def close(self) -> None:
        self._file.close()

    def fetch(self, start: int) -> None:
        end = min(start + CHUNK, self._spec.size)
        position = start

        def write(data: bytes) -> None:
            nonlocal position
            if self._stop.is_set():
                raise StoreUnavailable("The download was stopped.")
            view = memoryview(data)
            while view:
                written = os.pwrite(self._file.fileno(), view, position)
                position += written
                view = view[written:]

        if end > start:
            self._objects.read_range(self._spec.info, start, end, write)
        with self._lock:
            self._missing -= 1
            is_last = not self._missing
        if is_last:
            os.fsync(self._file.fileno())
            self.close()
            check(self._spec, of_file(self._path))


def _run(tasks: deque[Callable[[], None]], stop: Event) -> None:
    """Raises the first error, when no thread runs any more. The threads are daemons, unlike those of a pool, so that a
    process can exit without waiting for a slow store."""
    errors: list[BaseException] = []

    def work() -> None:
        while tasks and not stop.is_set():
            with suppress(IndexError):  # another thread took the last one
                task = tasks.popleft()
                try:
                    task()
                except BaseException as error:
                    errors.append(error)
                    stop.set()

    threads = [Thread(target=work, name="download", daemon=True) for _ in range(min(MAX_THREADS, len(tasks)))]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        stop.set()
        for thread in threads:
            if thread.ident is not None:
                thread.join()
    if errors:
        raise errors[0]
