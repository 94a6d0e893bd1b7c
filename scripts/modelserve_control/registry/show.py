import json
from dataclasses import asdict
from typing import Any

from modelserve.core.errors import ArtifactCorrupt
from modelserve.store.buckets.objects import Objects
from modelserve_control.registry import catalog, version_ref


def versions(objects: Objects, name: str) -> dict[str, Any]:
    """The newest version is last. `incomplete`: numbers of interrupted publications or deletions. `damaged`: the errors of
    unreadable manifests by version."""
    found = catalog.entries(objects, name)
    names = catalog.aliases(objects, name)
    if not found and not names:
        raise catalog.model_not_found(objects, name)
    rows, damaged = [], {}
    for entry in found.values():
        if entry.manifest:
            try:
                rows.append(row(objects, name, entry, names))
            except ArtifactCorrupt as error:
                damaged[entry.version] = error.message
    incomplete = [entry.version for entry in found.values() if not entry.manifest and len(entry.objects) > 1]
    return {"name": name, "versions": rows, "incomplete": incomplete, "damaged": damaged}


def row(objects: Objects, name: str, entry: catalog.Entry, names: dict[str, Any]) -> dict[str, Any]:
    manifest = catalog.manifest(objects, name, entry.version)
    return {
        "version": entry.version,
        "aliases": [alias for alias, document in names.items() if document.version == entry.version],
        "previous_of": [alias for alias, document in names.items() if document.previous_version == entry.version],
        "bytes": entry.size,
        **{key: manifest.provenance.get(key) for key in ("published_at", "published_by", "source")},
        "manifest_sha256": manifest.digest,
    }


def show(objects: Objects, what: str) -> dict[str, Any]:
    """For a model: its aliases and its newest version. For a version: its manifest, and the alias if one is given."""
    name, alias, number = version_ref.parse(what)
    if alias is not None:
        document, _ = catalog.alias(objects, name, alias)
        return version(objects, name, document.version) | {"alias": {"alias": alias} | asdict(document)}
    if number is not None:
        return version(objects, name, number)
    listing = versions(objects, name)
    names = {alias: asdict(document) for alias, document in catalog.aliases(objects, name).items()}
    newest = listing["versions"][-1]["version"] if listing["versions"] else None
    return {"name": name, "aliases": names, "newest": newest, "versions": len(listing["versions"])}


def version(objects: Objects, name: str, number: str) -> dict[str, Any]:
    manifest = catalog.manifest(objects, name, number)
    document = json.loads(manifest.to_bytes())
    return {"name": name, "version": number, "manifest_sha256": manifest.digest, "manifest": document}
