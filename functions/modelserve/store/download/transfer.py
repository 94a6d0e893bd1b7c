"""Downloads pinned generations: several files at once, large ones in chunks, each file hashed when it is finished."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
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
    crc32c: int | None
    sha256: str | None


def check(spec: FileSpec, found: Checksums) -> None:
    """Raises `ArtifactCorrupt` naming the file and what differs."""
    differs = [
        name
        for name, ours, theirs in (
            ("size", spec.size, found.size),
            ("crc32c", spec.crc32c, found.crc32c),
            ("sha256", spec.sha256, found.sha256),
        )
        if ours is not None and ours != theirs
    ]
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
    with _OpenFiles() as open_files:
        tasks = [task for spec in files for task in _tasks(objects, directory / spec.path, spec, stop, open_files)]
        _run(deque(tasks), stop)


class _OpenFiles:
    """Handles that are written to. Each is closed when its file is complete, and the others at the end."""

    def __init__(self) -> None:
        self._handles: set[int] = set()
        self._lock = Lock()

    def __enter__(self) -> _OpenFiles:
        return self

    def __exit__(self, *_: object) -> None:
        for handle in list(self._handles):
            self.close(handle)

    def create(self, path: Path) -> int:
        # Exclusive and without following links: the directory is new, so anything there is not ours.
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with self._lock:
            self._handles.add(handle)
        return handle

    def close(self, handle: int) -> None:
        with self._lock:
            self._handles.remove(handle)
        os.close(handle)


def _tasks(
    objects: Objects, path: Path, spec: FileSpec, stop: Event, open_files: _OpenFiles
) -> Iterator[Callable[[], None]]:
    handle = open_files.create(path)
    starts = range(0, max(spec.size, 1), CHUNK)
    on_complete = _after(len(starts), lambda: _finish(open_files, handle, path, spec))
    chunks = _Chunks(objects, spec, handle, stop, on_complete)
    return (partial(chunks.fetch, start) for start in starts)


def _run(tasks: deque[Callable[[], None]], stop: Event) -> None:
    """Raises the first error. No thread runs afterwards. Unlike those of a pool, the threads are daemons, so that a process
    can exit without waiting for a slow store."""
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


def _after(count: int, action: Callable[[], None]) -> Callable[[], None]:
    """A function that runs the action when it is called for the last of `count` times, from any thread."""
    left, lock = [count], Lock()

    def call() -> None:
        with lock:
            left[0] -= 1
            last = left[0] == 0
        if last:
            action()

    return call


@dataclass(frozen=True)
class _Chunks:
    objects: Objects
    spec: FileSpec
    handle: int
    stop: Event
    on_complete: Callable[[], None]

    def fetch(self, start: int) -> None:
        end = min(start + CHUNK, self.spec.size)
        position = start

        def write(data: bytes) -> None:
            nonlocal position
            if self.stop.is_set():
                raise StoreUnavailable("The download was stopped.")
            view = memoryview(data)
            while view:
                written = os.pwrite(self.handle, view, position)
                position += written
                view = view[written:]

        if end > start:
            self.objects.read_range(self.spec.info, start, end, write)
        self.on_complete()


def _finish(open_files: _OpenFiles, handle: int, path: Path, spec: FileSpec) -> None:
    os.fsync(handle)
    open_files.close(handle)
    check(spec, of_file(path))
