"""A version's files for as long as they are used: read in place, in a private directory, or in MODEL_CACHE_DIR."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
from contextlib import suppress
from pathlib import Path

from modelserve.core.errors import StoreUnavailable
from modelserve.store.buckets.local import DirectoryObjects
from modelserve.store.buckets.objects import Objects
from modelserve.store.download.fetch import fetch
from modelserve.store.download.staging import PREFIX, clean, private_path, reserve
from modelserve.store.versions.resolve import Resolved


class Held:
    """`directory` is the version's. This one is read in place: nothing of it is ours to remove."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def close(self) -> None:
        """It is no longer used by this process, which may end. Idempotent."""

    def retire(self) -> None:
        """Another version has taken its place."""
        self.close()


class Private(Held):
    """Below a directory that is locked by this process and goes away with it."""

    def __init__(self, directory: Path, root: Path, handle: int) -> None:
        super().__init__(directory)
        self.root = root
        self._handles = [handle]

    def close(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)
        while self._handles:
            os.close(self._handles.pop())


class Kept(Held):
    """In a directory that the operator named: there for the next start, until the version is retired.

    Every user holds a shared lock, whichever process it is, so that only the last one removes it.
    """

    def __init__(self, directory: Path, handle: int) -> None:
        super().__init__(directory)
        self._handles = [handle]

    def close(self) -> None:
        while self._handles:
            os.close(self._handles.pop())

    def retire(self) -> None:
        if self._handles and self._alone(self._handles[0]):
            # By a rename, so that nobody finds half of it; the name is one that cleaning looks for.
            doomed = self.directory.with_name(f"{PREFIX}retired-{self.directory.name}")
            with suppress(OSError):
                self.directory.rename(doomed)
            shutil.rmtree(doomed, ignore_errors=True)
        self.close()

    def _alone(self, handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True


def hold(resolved: Resolved, objects: Objects, cache_dir: str) -> Held:
    """Fetches the version; raises as `fetch` does."""
    if isinstance(objects, DirectoryObjects):
        return Held(fetch(resolved, objects, Path()))
    try:
        return keep(resolved, objects, Path(cache_dir)) if cache_dir else private(resolved, objects)
    except OSError as error:
        raise StoreUnavailable(f"The cache directory cannot take the version: {error.strerror}.") from error


def keep(resolved: Resolved, objects: Objects, cache: Path) -> Kept:
    directory = fetch(resolved, objects, cache)
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)
        if not os.path.samestat(os.fstat(handle), directory.stat()):
            raise StoreUnavailable("The version was retired by another process while it was fetched.")
    except BaseException:
        os.close(handle)
        raise
    return Kept(directory, handle)


def private(resolved: Resolved, objects: Objects) -> Private:
    parent = private_parent()
    clean(parent)  # what processes left that were killed
    root, handle = reserve(parent)
    try:
        # One below, since fetching takes a lock of its own on the directory that it is given.
        return Private(fetch(resolved, objects, root / "versions"), root, handle)
    except BaseException:
        Private(root, root, handle).close()
        raise


def private_parent() -> Path:
    """One directory per user, so that the next process finds what a killed one left."""
    parent = private_path()
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = os.lstat(parent)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or stat.S_IMODE(status.st_mode) & 0o077:
        raise StoreUnavailable(f"{parent.name} in the temporary directory is open to others; set MODEL_CACHE_DIR.")
    return parent
