"""Delete a version that no alias names. Its MLmodel remains without a manifest, so that the number is never used again."""

from typing import Any

from modelserve.core.errors import NotFound
from modelserve.store.buckets.objects import Objects
from modelserve.store.names.locations import check_version, manifest_name, version_prefix
from modelserve.store.versions.manifest import Manifest
from modelserve_control.common.errors import VersionInUse
from modelserve_control.registry import catalog


def delete(objects: Objects, name: str, version: str, incomplete: bool = False) -> dict[str, Any]:
    """Delete the manifest first; from then on the version does not exist.

    `incomplete` also clears the number of an interrupted publication. Raises VersionInUse if an alias names the version.
    """
    found = catalog.entries(objects, name).get(int(check_version(version)))
    if found is None or not (found.manifest or incomplete):
        is_incomplete = found is not None and found.is_incomplete
        hint = "; its publication is incomplete, use --incomplete to clear it" if is_incomplete else ""
        raise NotFound(f"{name} has no version {version}{hint}; it has {catalog.format_versions(objects, name)}.")
    refuse_named(objects, name, version)
    if found.manifest:
        withdraw(objects, name, version, found.manifest.generation)
    kept = f"{version_prefix(name, version)}/MLmodel"
    files = [info for info in found.objects if info.name != kept and info != found.manifest]
    for info in files:
        objects.delete(info.name, info.generation)
    return {"name": name, "version": version, "files": len(files), "bytes": sum(info.size for info in files)}


def withdraw(objects: Objects, name: str, version: str, generation: int) -> None:
    kept: Manifest = catalog.manifest(objects, name, version)
    objects.delete(manifest_name(name, version), generation)
    try:
        refuse_named(objects, name, version)
    except VersionInUse:
        objects.write(manifest_name(name, version), kept.to_bytes(), if_generation_match=0)
        raise


def refuse_named(objects: Objects, name: str, version: str) -> None:
    for alias, document in catalog.aliases(objects, name).items():
        if document.version == version:
            raise VersionInUse(f"The alias {alias} of {name} names version {version}; promote another version first.")
        if document.previous_version == version:
            raise VersionInUse(
                f"A rollback of the alias {alias} of {name} needs version {version}; it cannot be deleted."
            )
