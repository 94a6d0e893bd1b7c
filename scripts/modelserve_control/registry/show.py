import json
from dataclasses import asdict
from typing import Any

from modelserve.core.errors import ArtifactCorrupt
from modelserve.store.buckets.objects import Objects
from modelserve.store.versions.alias import Alias
from modelserve_control.registry import catalog, version_ref


def models(objects: Objects) -> dict[str, Any]:
    return {"models": [model(objects, name) for name in catalog.models(objects)]}


def model(objects: Objects, name: str) -> dict[str, Any]:
    there = [entry.version for entry in catalog.entries(objects, name).values() if entry.manifest]
    aliases = {alias: document.version for alias, document in catalog.aliases(objects, name).items()}
    return {"name": name, "versions": len(there), "newest": there[-1] if there else None, "aliases": aliases}


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
    incomplete = [entry.version for entry in found.values() if entry.is_incomplete]
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
        return version(objects, name, document.version) | {"alias": {"alias": alias} | describe(document)}
    if number is not None:
        return version(objects, name, number)
    listing = versions(objects, name)
    names = {alias: describe(document) for alias, document in catalog.aliases(objects, name).items()}
    newest = listing["versions"][-1]["version"] if listing["versions"] else None
    return {"name": name, "aliases": names, "newest": newest, "versions": len(listing["versions"])}


def describe(document: Alias) -> dict[str, Any]:
    """Without its history, which `modelserve history` shows."""
    return {key: value for key, value in asdict(document).items() if key != "history"}


def version(objects: Objects, name: str, number: str) -> dict[str, Any]:
    manifest = catalog.manifest(objects, name, number)
    document = json.loads(manifest.to_bytes())
    return {"name": name, "version": number, "manifest_sha256": manifest.digest, "manifest": document}
