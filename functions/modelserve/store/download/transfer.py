"""Pinned generations to files: several at once, large ones in parts, each hashed when it is finished."""

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
from modelserve.store.names.paths import shown

THREADS = 8  # enough to hide one round trip of a few files; more only share the same network
CHUNK = 16 << 20  # bytes; a broken stream costs at most this much again, and 1 GB is 64 requests


@dataclass(frozen=True)
class Wanted:
    """One file: what to fetch, where to (`path` relative), and what it must be; `sha256` None without a manifest."""

    info: ObjectInfo
    path: str
    size: int
    crc32c: int | None
    sha256: str | None


def check(wanted: Wanted, found: Checksums) -> None:
    """Raises `ArtifactCorrupt` naming the file and what differs."""
    differs = [
        name
        for name, ours, theirs in (
            ("size", wanted.size, found.size),
            ("crc32c", wanted.crc32c, found.crc32c),
            ("sha256", wanted.sha256, found.sha256),
        )
        if ours is not None and ours != theirs
    ]
    if differs:
        again = "; publish the version again" if wanted.sha256 else ""
        raise ArtifactCorrupt(
            f"The file {shown(wanted.info.name)} does not have its {' and '.join(differs)}, so it is not what was written{again}."
        )


def download(files: Sequence[Wanted], objects: Objects, directory: Path) -> None:
    """All of them into a new directory, or the first error; then no thread writes any more."""
    for wanted in files:
        (directory / wanted.path).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    stop = Event()
    # Left last: a handle may be closed when no thread can write to it any more.
    with _OpenFiles() as open_files:
        parts = [
            part for wanted in files for part in _parts_of(objects, directory / wanted.path, wanted, stop, open_files)
        ]
        _run(deque(parts), stop)


class _OpenFiles:
    """The handles that are written to: each closed when its file is whole, what is left of them at the end."""

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


def _parts_of(
    objects: Objects, path: Path, wanted: Wanted, stop: Event, open_files: _OpenFiles
) -> Iterator[Callable[[], None]]:
    handle = open_files.create(path)
    starts = range(0, max(wanted.size, 1), CHUNK)
    finish = _last(len(starts), lambda: _finish(open_files, handle, path, wanted))
    part = _Part(objects, wanted, handle, stop, finish)
    return (partial(part.fetch, start) for start in starts)


def _run(tasks: deque[Callable[[], None]], stop: Event) -> None:
    """All of them, or the first error; either way none of the threads runs afterwards. They are daemons, as a pool's are
    not: a process that is told to end need not wait for a store that drips."""
    errors: list[BaseException] = []

    def work() -> None:
        while tasks and not stop.is_set():
            with suppress(IndexError):  # another was first
                task = tasks.popleft()
                try:
                    task()
                except BaseException as error:
                    errors.append(error)
                    stop.set()

    threads = [Thread(target=work, name="download", daemon=True) for _ in range(min(THREADS, len(tasks)))]
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


def _last(count: int, action: Callable[[], None]) -> Callable[[], None]:
    """Runs the action at the last of so many calls, from any thread."""
    left, lock = [count], Lock()

    def call() -> None:
        with lock:
            left[0] -= 1
            last = left[0] == 0
        if last:
            action()

    return call


@dataclass(frozen=True)
class _Part:
    objects: Objects
    wanted: Wanted
    handle: int
    stop: Event
    finish: Callable[[], None]

    def fetch(self, start: int) -> None:
        end = min(start + CHUNK, self.wanted.size)
        position = start

        def write(data: bytes) -> None:
            nonlocal position
            if self.stop.is_set():
                raise StoreUnavailable("The download was given up.")
            view = memoryview(data)
            while view:
                written = os.pwrite(self.handle, view, position)
                position += written
                view = view[written:]

        if end > start:
            self.objects.read_range(self.wanted.info, start, end, write)
        self.finish()


def _finish(open_files: _OpenFiles, handle: int, path: Path, wanted: Wanted) -> None:
    os.fsync(handle)
    open_files.close(handle)
    check(wanted, of_file(path))
