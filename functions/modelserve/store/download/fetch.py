"""A version as a local directory: whole and verified, or not at all."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

from modelserve.core.errors import ArtifactCorrupt, ArtifactMissing, StoreUnavailable
from modelserve.store.buckets.local import DirectoryObjects
from modelserve.store.buckets.objects import GenerationGone, NotModified, ObjectInfo, Objects
from modelserve.store.download.staging import clean, incoming, publish
from modelserve.store.download.transfer import Wanted, check, download
from modelserve.store.names.checksums import of_bytes, of_file
from modelserve.store.names.locations import MANIFEST
from modelserve.store.names.paths import check_names, shown, walk
from modelserve.store.versions.manifest import Manifest
from modelserve.store.versions.resolve import Resolved, below, pinned, resolve


def fetch(resolved: Resolved, objects: Objects, cache_dir: Path) -> Path:
    """The version's directory.

    A local one is read in place, after its names and, with a manifest, its bytes were checked. Otherwise it is
    downloaded below `cache_dir`, or found there from an earlier time and verified again. Raises `ArtifactMissing`,
    `ArtifactCorrupt`, `StoreUnavailable`; whatever happens, nothing half is left behind.
    """
    if isinstance(objects, DirectoryObjects):
        return _in_place(resolved, objects)
    try:
        clean(cache_dir)
        return _twice(resolved, objects, cache_dir)
    except OSError as error:
        raise StoreUnavailable(f"The cache directory cannot take the version: {error.strerror}.") from error


def read_file(resolved: Resolved, objects: Objects, path: str) -> bytes:
    """One file of a version that has a manifest, in memory and verified. Raises as `fetch` does."""
    entries = {entry.path: entry for entry in resolved.manifest.files} if resolved.manifest else {}
    entry = entries.get(path)
    if entry is None:
        raise ArtifactMissing(f"The manifest of this version knows no file {shown(path)}; publish it again.")
    found = objects.read(f"{below(resolved.prefix)}{path}", entry.size)
    if isinstance(found, NotModified):  # only an answer to a condition, and there was none
        raise ArtifactCorrupt("The store answered a question that was not asked.")
    data, info = found
    check(Wanted(info, path, entry.size, entry.crc32c, entry.sha256), of_bytes(data))
    return data


def _twice(resolved: Resolved, objects: Objects, cache: Path) -> Path:
    try:
        return _cached(resolved, objects, cache)
    except GenerationGone:
        # Somebody wrote between the listing and the download; a new listing is consistent again, or it is an error.
        pass
    try:
        return _cached(_again(resolved, objects), objects, cache)
    except GenerationGone as error:
        raise StoreUnavailable("The files of this version go on changing while they are downloaded.") from error


def _again(resolved: Resolved, objects: Objects) -> Resolved:
    return resolved if resolved.manifest else resolve(resolved.location, objects)


def _in_place(resolved: Resolved, objects: DirectoryObjects) -> Path:
    root = objects.root / resolved.prefix
    if resolved.manifest is None:
        check_names(name for name, _ in walk(str(root)))
    else:
        verify(root, plan(resolved, objects))
    return root


def _cached(resolved: Resolved, objects: Objects, cache: Path) -> Path:
    files = plan(resolved, objects)
    final = cache / _directory_name(resolved, files)
    if final.is_dir() and _reusable(final, files):
        return final
    with incoming(cache) as directory:
        download(files, objects, directory)
        if resolved.manifest:
            (directory / MANIFEST).write_bytes(resolved.manifest.to_bytes())
        if not publish(directory, final):
            verify(final, files)
    return final


def _reusable(final: Path, files: Sequence[Wanted]) -> bool:
    if final.is_symlink():  # not made here; removing it leaves alone what it points to
        final.unlink()
        return False
    try:
        verify(final, files)
    except ArtifactCorrupt:
        shutil.rmtree(final)
        return False
    return True


def _directory_name(resolved: Resolved, files: Sequence[Wanted]) -> str:
    """One name for one content: the manifest's digest, or that of all pinned generations."""
    if resolved.manifest_sha256:
        return f"{resolved.name}-{resolved.version}-{resolved.manifest_sha256[:16]}"
    pins = [f"{resolved.location}", *(f"{wanted.path}#{wanted.info.generation}" for wanted in files)]
    return "model-" + hashlib.sha256("\0".join(pins).encode()).hexdigest()[:24]


def plan(resolved: Resolved, objects: Objects) -> Sequence[Wanted]:
    """Every file with its generation pinned. Nothing may be missing and nothing may be there besides."""
    prefix = below(resolved.prefix)
    found = resolved.files or pinned(resolved.prefix, objects.list(prefix))
    infos = {info.name.removeprefix(prefix): info for info in found}
    check_names(infos)
    if resolved.manifest is None:
        return [_bare(path, info) for path, info in infos.items()]
    infos.pop(MANIFEST, None)
    return _declared(resolved.manifest, infos)


def _bare(path: str, info: ObjectInfo) -> Wanted:
    return Wanted(info, path, info.size, info.crc32c, None)


def _declared(manifest: Manifest, infos: dict[str, ObjectInfo]) -> Sequence[Wanted]:
    wanted = []
    for entry in manifest.files:
        info = infos.pop(entry.path, None)
        if info is None:
            raise ArtifactMissing(f"The version lacks the file {shown(entry.path)} of its manifest; publish it again.")
        if info.size != entry.size or info.crc32c not in (None, entry.crc32c):
            raise ArtifactCorrupt(f"The file {shown(entry.path)} is not the one of the manifest; publish it again.")
        wanted.append(Wanted(info, entry.path, entry.size, entry.crc32c, entry.sha256))
    if infos:
        raise ArtifactCorrupt(f"The version holds {shown(min(infos))}, which its manifest does not know.")
    return wanted


def verify(directory: Path, files: Sequence[Wanted]) -> None:
    """Raises `ArtifactCorrupt` unless the directory holds exactly these files with these bytes."""
    there = {name for name, _ in walk(str(directory))} - {MANIFEST}
    expected = {wanted.path for wanted in files}
    if there != expected:
        raise ArtifactCorrupt(f"The directory differs from its version in {shown(min(there ^ expected))}.")
    for wanted in files:
        check(wanted, of_file(directory / wanted.path))
