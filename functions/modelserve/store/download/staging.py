"""A private directory, locked by its process, that becomes a version's directory by one rename."""

import fcntl
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = ".incoming-"
MAX_WAIT_SECONDS = 60.0  # the holder may be stopped; then the version is downloaded a second time


def private_path() -> Path:
    return Path(tempfile.gettempdir()) / f"modelserve-{os.getuid()}"


def remove_stale(cache: Path) -> int:
    """Remove what ended processes left; returns how many. A living process holds a lock on its directory."""
    if not cache.is_dir():
        return 0
    with _lock(cache):
        return sum(_remove_unless_locked(path) for path in cache.glob(PREFIX + "*"))


def _remove_unless_locked(path: Path) -> bool:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        # A lock, not a process id: ids are reused, and containers that share a volume do not share them.
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    return True


@contextmanager
def incoming(cache: Path) -> Iterator[Path]:
    path, handle = create(cache)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(handle)


def create(cache: Path) -> tuple[Path, int]:
    """A new directory and the handle with its lock, to be closed when the directory is removed."""
    cache.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = cache / f"{PREFIX}{os.getpid()}-{secrets.token_hex(8)}"
    with _lock(cache):  # so that `remove_stale` does not see it before it is locked
        path.mkdir(mode=0o700)
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(handle, fcntl.LOCK_EX)
    return path, handle


@contextmanager
def _lock(cache: Path) -> Iterator[None]:
    handle = os.open(cache, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextmanager
def one_at_a_time(path: Path) -> Iterator[None]:
    """Wait for the process that holds the lock of the file `path`, at most MAX_WAIT_SECONDS. It is removed at the end."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    deadline = time.monotonic() + MAX_WAIT_SECONDS
    while (handle := _try_lock(path)) is None and time.monotonic() < deadline:
        time.sleep(0.05)
    try:
        yield
    finally:
        if handle is not None:
            path.unlink(missing_ok=True)
            os.close(handle)


def _try_lock(path: Path) -> int | None:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    with suppress(BlockingIOError, FileNotFoundError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(handle), path.lstat()):  # else the last holder removed it
            return handle
    os.close(handle)
    return None


def install(path: Path, final: Path) -> bool:
    """Rename it, which makes it visible. False if another process was first."""
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
