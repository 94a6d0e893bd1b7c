"""From a location to exactly one version: its manifest, or the generations of its files."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from modelserve.core.errors import ArtifactCorrupt, ArtifactMissing
from modelserve.store.buckets.objects import ObjectInfo, Objects, read_object
from modelserve.store.names.checksums import of_bytes
from modelserve.store.names.locations import MANIFEST, MLMODEL, Location, manifest_name, version_prefix
from modelserve.store.versions.alias import Alias, read_alias
from modelserve.store.versions.manifest import MAX_BYTES, Manifest


@dataclass(frozen=True)
class Resolved:
    """`prefix` has no slash at its end. A version of a store has `version`, `manifest` and `manifest_sha256`; an MLflow
    directory without a manifest has the `name` of the directory, and `files` with their generations."""

    location: Location
    prefix: str
    name: str
    version: str | None = None
    manifest: Manifest | None = None
    manifest_sha256: str | None = None
    files: tuple[ObjectInfo, ...] = ()


def resolve(location: Location, objects: Objects) -> Resolved:
    """Raises `ArtifactMissing`, which says what was found instead, `ArtifactCorrupt` or `StoreUnavailable`."""
    if location.name is None:
        return _directory(location, objects)
    if location.alias is None:
        return _version(location, objects, location.name, str(location.version))
    found = read_alias(objects, location.name, location.alias)
    if found is None:
        prefix = f"models/{location.name}/aliases/"
        there = [info.name.removeprefix(prefix).removesuffix(".json") for info in objects.list(prefix)]
        have = f"it has {', '.join(there[:10])}" if there else "it has none, or there is no such model"
        raise ArtifactMissing(f"The model {location.name} has no alias {location.alias}; {have}.")
    return resolve_alias(location, objects, found[0])


def resolve_alias(location: Location, objects: Objects, alias: Alias) -> Resolved:
    resolved = _version(location, objects, str(location.name), alias.version)
    if resolved.manifest_sha256 != alias.manifest_sha256:
        raise ArtifactCorrupt(
            f"The manifest of version {alias.version} is not the one that the alias {location.alias} was promoted with."
        )
    return resolved


def _version(location: Location, objects: Objects, name: str, version: str) -> Resolved:
    try:
        manifest, digest = read_manifest(objects, manifest_name(name, version))
    except ArtifactMissing as error:
        raise ArtifactMissing(
            f"Version {version} of {name} has no manifest: it was never published, or publishing was interrupted."
        ) from error
    if (manifest.name, manifest.version) != (name, version):
        raise ArtifactCorrupt(
            f"The manifest of version {version} of {name} is that of version {manifest.version} of {manifest.name}."
        )
    return Resolved(location, version_prefix(name, version), name, version, manifest, digest)


def read_manifest(objects: Objects, name: str) -> tuple[Manifest, str]:
    data, _ = read_object(objects, name, MAX_BYTES)
    try:
        return Manifest.from_bytes(data), of_bytes(data).sha256
    except ArtifactCorrupt as error:
        raise ArtifactCorrupt(f"{name}: {error.message}") from error


def _directory(location: Location, objects: Objects) -> Resolved:
    prefix = directory_prefix(location.prefix)
    found = objects.list(prefix)
    names = {info.name for info in found}
    if prefix + MANIFEST in names:
        manifest, digest = read_manifest(objects, prefix + MANIFEST)
        return Resolved(location, location.prefix, manifest.name, manifest.version, manifest, digest)
    if prefix + MLMODEL not in names:
        raise ArtifactMissing(_no_mlmodel(location, found))
    name = os.path.basename(location.prefix or location.bucket)
    return Resolved(location, location.prefix, name, files=without_folders(found))


def without_folders(found: Sequence[ObjectInfo]) -> tuple[ObjectInfo, ...]:
    """Without the empty objects by which consoles and FUSE mounts represent a folder (mlflow #3240)."""
    return tuple(info for info in found if info.size or not info.name.endswith("/"))


def directory_prefix(prefix: str) -> str:
    """The prefix of all its files. The slash separates `model` from `model-hf` (kserve #3776)."""
    return f"{prefix}/" if prefix else ""


def _no_mlmodel(location: Location, found: Sequence[ObjectInfo]) -> str:
    """MLflow 2 logs to `<run>/artifacts/model`, MLflow 3 to `models/<id>/artifacts`: an address often ends too early."""
    start = len(directory_prefix(location.prefix))
    inner = sorted(
        os.path.dirname(info.name[start:])
        for info in found
        if os.path.basename(info.name) == MLMODEL and info.name[start:]
    )
    if inner:
        more = f" and in {len(inner) - 3} others" if len(inner) > 3 else ""
        return f"There is no MLmodel here, but one in {', '.join(map(ascii, inner[:3]))}{more} below; add that to the address."
    versions = [info for info in found if "/versions/" in info.name]
    if versions:
        return "This is a model of a store; add @ALIAS or /versions/N to the address."
    return "There is no MLmodel at this address" + (f", among {len(found)} files." if found else "; nothing is there.")
