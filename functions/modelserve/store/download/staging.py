"""A private directory that becomes a version by one rename, and goes away with its process."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = ".incoming-"


def private_path() -> Path:
    return Path(tempfile.gettempdir()) / f"modelserve-{os.getuid()}"


def sweep() -> None:
    """Remove what dead processes left in the private directory; whoever is alive holds a lock. Imports nothing, so it works at exit."""
    with suppress(OSError):
        clean(private_path())


def clean(cache: Path) -> int:
    """Remove what dead processes left; how many. A process holds a lock on its directory for as long as it lives."""
    if not cache.is_dir():
        return 0
    with _guarded(cache):
        return sum(_remove_if_dead(path) for path in cache.glob(PREFIX + "*"))


def _remove_if_dead(path: Path) -> bool:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        # A lock, not a process id: ids repeat, and containers that share a volume do not share them.
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(path, ignore_errors=True)
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    return True


@contextmanager
def incoming(cache: Path) -> Iterator[Path]:
    """A new directory, mode 0o700, removed at the end unless it was renamed."""
    path, handle = reserve(cache)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(handle)


def reserve(cache: Path) -> tuple[Path, int]:
    """A new directory and the handle that holds its lock: close it when the directory is gone."""
    cache.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = cache / f"{PREFIX}{os.getpid()}-{secrets.token_hex(8)}"
    with _guarded(cache):  # no cleaner may look between these two steps
        path.mkdir(mode=0o700)
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(handle, fcntl.LOCK_EX)
    return path, handle


@contextmanager
def _guarded(cache: Path) -> Iterator[None]:
    handle = os.open(cache, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def publish(path: Path, final: Path) -> bool:
    """Make it visible by one rename. False if another process was first."""
    _sync(path)
    try:
        os.rename(path, final)
    except OSError:
        if final.is_dir():
            return False
        raise
    _sync(final.parent)
    return True


def _sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):  # some file systems cannot sync a directory
            os.fsync(handle)
    finally:
        os.close(handle)
