"""The local copy of a version while it is in use: read in place, in a private directory, or in MODEL_CACHE_DIR."""

import fcntl
import os
import shutil
import stat
from contextlib import suppress
from pathlib import Path

from modelserve.core.errors import StoreUnavailable
from modelserve.store.buckets.local import DirectoryObjects, as_store_error
from modelserve.store.buckets.objects import Objects
from modelserve.store.download.fetch import CACHE_FAILED, fetch
from modelserve.store.download.staging import PREFIX, create, private_path, remove_stale
from modelserve.store.versions.resolve import Resolved


class LocalCopy:
    """The files of a version in `directory`. This one is read in place and not removed."""

    def __init__(self, directory: Path, handle: int | None = None) -> None:
        """`handle` is of a directory that this process has locked."""
        self.directory = directory
        self._handles = [] if handle is None else [handle]

    def close(self) -> None:
        """This process no longer uses it. Idempotent."""
        while self._handles:
            os.close(self._handles.pop())

    def retire(self) -> None:
        self.close()


class PrivateCopy(LocalCopy):
    def __init__(self, directory: Path, root: Path, handle: int) -> None:
        super().__init__(directory, handle)
        self.root = root

    def close(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)
        super().close()


class CachedCopy(LocalCopy):
    """In MODEL_CACHE_DIR, where the next process finds it. Each user holds a shared lock, so that the last one removes
    it."""

    def retire(self) -> None:
        if self._handles and self._is_last_user(self._handles[0]):
            # Renamed first, so that no process finds a part of it. `remove_stale` looks for this name.
            doomed = self.directory.with_name(f"{PREFIX}retired-{self.directory.name}")
            with suppress(OSError):
                self.directory.rename(doomed)
            shutil.rmtree(doomed, ignore_errors=True)
        self.close()

    def _is_last_user(self, handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True


def acquire(resolved: Resolved, objects: Objects, cache_dir: str) -> LocalCopy:
    """Download the version, unless it is a local directory. Raises as `fetch` does."""
    if isinstance(objects, DirectoryObjects):
        return LocalCopy(fetch(resolved, objects, Path()))
    with as_store_error(CACHE_FAILED):
        return acquire_cached(resolved, objects, Path(cache_dir)) if cache_dir else acquire_private(resolved, objects)


def acquire_cached(resolved: Resolved, objects: Objects, cache: Path) -> CachedCopy:
    directory = fetch(resolved, objects, cache)
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)
        if not os.path.samestat(os.fstat(handle), directory.stat()):
            raise StoreUnavailable("Another process retired the version while it was downloaded.")
    except BaseException:
        os.close(handle)
        raise
    return CachedCopy(directory, handle)


def acquire_private(resolved: Resolved, objects: Objects) -> PrivateCopy:
    parent = private_parent()
    remove_stale(parent)  # of processes that were killed
    root, handle = create(parent)
    try:
        # In a directory below, because `fetch` locks the directory that it gets.
        return PrivateCopy(fetch(resolved, objects, root / "versions"), root, handle)
    except BaseException:
        PrivateCopy(root, root, handle).close()
        raise


def private_parent() -> Path:
    """One directory per user, so that a process finds what a killed one left."""
    parent = private_path()
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = os.lstat(parent)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or stat.S_IMODE(status.st_mode) & 0o077:
        raise StoreUnavailable(f"{parent.name} in the temporary directory is open to others; set MODEL_CACHE_DIR.")
    return parent
