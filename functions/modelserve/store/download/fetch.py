"""A version as a local directory: complete and verified, or not at all."""

import hashlib
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from modelserve.core.errors import ArtifactCorrupt, ArtifactMissing, StoreUnavailable
from modelserve.store.buckets.local import DirectoryObjects, as_store_error
from modelserve.store.buckets.objects import GenerationGone, Objects, read_object
from modelserve.store.download.staging import PREFIX, incoming, install, one_at_a_time, remove_stale
from modelserve.store.download.transfer import FileSpec, check, download
from modelserve.store.names.checksums import of_bytes, of_file
from modelserve.store.names.locations import MANIFEST
from modelserve.store.names.paths import check_names, printable, walk
from modelserve.store.versions.manifest import FileEntry
from modelserve.store.versions.resolve import Resolved, directory_prefix, resolve, without_folders

logger = logging.getLogger(__name__)

CACHE_FAILED: Final = "The cache directory cannot take the version"


def fetch(resolved: Resolved, objects: Objects, cache_dir: Path) -> Path:
    """The version's directory. A local version is checked and read in place. Any other is downloaded below `cache_dir`,
    or found there and verified again. Raises `ArtifactMissing`, `ArtifactCorrupt` and `StoreUnavailable`, and then
    leaves no partial version."""
    if isinstance(objects, DirectoryObjects):
        root = objects.root / resolved.prefix
        if resolved.manifest is None:
            check_names(name for name, _ in walk(str(root)))
        else:
            verify(root, plan(resolved, objects))
        return root
    with as_store_error(CACHE_FAILED):
        remove_stale(cache_dir)
        try:
            return _find_or_download(resolved, objects, cache_dir)
        except GenerationGone:
            # A file was written between the listing and the download. List again, once; a manifest pins its files.
            if resolved.manifest is None:
                resolved = resolve(resolved.location, objects)
        try:
            return _find_or_download(resolved, objects, cache_dir)
        except GenerationGone as error:
            raise StoreUnavailable("The files of this version keep changing while they are downloaded.") from error


def read_file(resolved: Resolved, objects: Objects, path: str) -> bytes:
    """One file of a version that has a manifest, in memory and verified. Raises as `fetch` does."""
    entries = {entry.path: entry for entry in resolved.manifest.files} if resolved.manifest else {}
    entry = entries.get(path)
    if entry is None:
        raise ArtifactMissing(f"The manifest of this version has no file {printable(path)}; publish it again.")
    name = f"{directory_prefix(resolved.prefix)}{path}"
    try:
        return _read_file(objects, name, entry)
    except ArtifactCorrupt as error:
        logger.warning("a download was corrupt and is tried once more", exc_info=error)
        return _read_file(objects, name, entry)


def _read_file(objects: Objects, name: str, entry: FileEntry) -> bytes:
    data, info = read_object(objects, name, entry.size)
    check(FileSpec(info, entry.path, entry.size, entry.crc32c, entry.sha256), of_bytes(data))
    return data


def _find_or_download(resolved: Resolved, objects: Objects, cache: Path) -> Path:
    files = plan(resolved, objects)
    final = cache / _directory_name(resolved, files)
    # One download per version, however many workers start together: the others wait and find it.
    with one_at_a_time(cache / f"{PREFIX}lock-{final.name}"):
        if final.is_dir() and _is_reusable(final, files):
            return final
        try:
            _download(resolved, objects, files, final)
        except ArtifactCorrupt as error:
            logger.warning("a download was corrupt and is tried once more", exc_info=error)
            _download(resolved, objects, files, final)
    return final


def _download(resolved: Resolved, objects: Objects, files: Sequence[FileSpec], final: Path) -> None:
    with incoming(final.parent) as directory:
        download(files, objects, directory)
        if resolved.manifest:
            (directory / MANIFEST).write_bytes(resolved.manifest.to_bytes())
        if not install(directory, final):
            verify(final, files)


def _is_reusable(final: Path, files: Sequence[FileSpec]) -> bool:
    if final.is_symlink():  # not made here; its target is left alone
        final.unlink()
        return False
    try:
        verify(final, files)
    except ArtifactCorrupt:
        shutil.rmtree(final)
        return False
    return True


def _directory_name(resolved: Resolved, files: Sequence[FileSpec]) -> str:
    """The same for the same content: it contains the digest of the manifest, or of all pinned generations."""
    if resolved.manifest_sha256:
        return f"{resolved.name}-{resolved.version}-{resolved.manifest_sha256[:16]}"
    pins = [f"{resolved.location}", *(f"{spec.path}#{spec.info.generation}" for spec in files)]
    return "model-" + hashlib.sha256("\0".join(pins).encode()).hexdigest()[:24]


def plan(resolved: Resolved, objects: Objects) -> Sequence[FileSpec]:
    """Every file with its generation pinned. With a manifest, exactly its files must be there."""
    prefix = directory_prefix(resolved.prefix)
    found = resolved.files or without_folders(objects.list(prefix))
    infos = {info.name.removeprefix(prefix): info for info in found}
    check_names(infos)
    if resolved.manifest is None:
        return [FileSpec(info, path, info.size, info.crc32c, None) for path, info in infos.items()]
    infos.pop(MANIFEST, None)
    specs = []
    for entry in resolved.manifest.files:
        info = infos.pop(entry.path, None)
        if info is None:
            raise ArtifactMissing(
                f"The version lacks the file {printable(entry.path)} of its manifest; publish it again."
            )
        if info.size != entry.size or info.crc32c not in (None, entry.crc32c):
            raise ArtifactCorrupt(f"The file {printable(entry.path)} is not the one of the manifest; publish it again.")
        specs.append(FileSpec(info, entry.path, entry.size, entry.crc32c, entry.sha256))
    if infos:
        raise ArtifactCorrupt(f"The version contains {printable(min(infos))}, which is not in its manifest.")
    return specs


def verify(directory: Path, files: Sequence[FileSpec]) -> None:
    """Raises `ArtifactCorrupt` unless the directory contains exactly these files with these bytes."""
    there = {name for name, _ in walk(str(directory))} - {MANIFEST}
    expected = {spec.path for spec in files}
    if there != expected:
        raise ArtifactCorrupt(f"The directory differs from its version in {printable(min(there ^ expected))}.")
    for spec in files:
        check(spec, of_file(directory / spec.path))
