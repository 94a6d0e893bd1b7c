"""The contents of a store: versions, numbers without a manifest, and aliases."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from modelserve.core.errors import ArtifactMissing, BadSetting, NotFound
from modelserve.store.buckets.objects import ObjectInfo, Objects
from modelserve.store.buckets.open import open_objects
from modelserve.store.names.locations import MANIFEST, Location, check_model_name, manifest_name, parse_store
from modelserve.store.versions.alias import Alias, read_alias
from modelserve.store.versions.manifest import Manifest
from modelserve.store.versions.resolve import read_manifest

REACH_SECONDS = 3.0
NUMBERED = re.compile(r"models/[^/]+/versions/([1-9][0-9]{0,17})/(.+)", re.DOTALL)


@dataclass(frozen=True)
class Entry:
    """One number in versions/. Without `manifest`, the version does not exist for readers, but its number is taken."""

    version: str
    objects: tuple[ObjectInfo, ...]

    @property
    def manifest(self) -> ObjectInfo | None:
        """Only at the top: files in subdirectories may have the same name."""
        return next((info for info in self.objects if info.name.split("/", 4)[4] == MANIFEST), None)

    @property
    def is_incomplete(self) -> bool:
        """An interrupted publication, or one that is not at its end. A deleted version keeps its MLmodel alone."""
        return self.manifest is None and len(self.objects) > 1

    @property
    def size(self) -> int:
        return sum(info.size for info in self.objects)


def open_location(location: Location) -> Objects:
    """Raises StoreUnavailable at once if the store cannot be reached: somebody waits at the command line."""
    return open_objects(location, REACH_SECONDS)


@contextmanager
def open_store(store: str, new: bool = False) -> Iterator[Objects]:
    """`new`: the directory may be missing, but its parent must exist."""
    objects = open_location(locate_store(store, new))
    try:
        yield objects
    finally:
        objects.close()


def locate_store(store: str, new: bool = False) -> Location:
    try:
        location = parse_store(store)
    except BadSetting:
        if store.startswith("gs://"):
            raise
        raise BadSetting("--store must be a bucket, like gs://B, or a directory with the same layout.") from None
    path = location.bucket
    if location.scheme == "gs" or os.path.isdir(path):
        return location
    if os.path.lexists(path):
        raise NotFound(f"--store {store} is not a directory.")
    if new and os.path.isdir(os.path.dirname(path)):
        return location
    reason = ", and neither does its parent directory." if new else "; `modelserve publish --create` makes one."
    raise NotFound(f"--store {store} does not exist{reason}")


def entries(objects: Objects, name: str) -> dict[int, Entry]:
    found: dict[int, list[ObjectInfo]] = {}
    for info in objects.list(f"models/{check_model_name(name)}/versions/"):
        if match := NUMBERED.fullmatch(info.name):
            found.setdefault(int(match[1]), []).append(info)
    return {number: Entry(str(number), tuple(found[number])) for number in sorted(found)}


def aliases(objects: Objects, name: str) -> dict[str, Alias]:
    prefix = f"models/{check_model_name(name)}/aliases/"
    found = {}
    for info in objects.list(prefix):
        alias = info.name.removeprefix(prefix).removesuffix(".json")
        with suppress(
            BadSetting
        ):  # objects with other names are not aliases, for example folders of the Google Cloud console
            if document := read_alias(objects, name, alias):
                found[alias] = document[0]
    return found


def manifest(objects: Objects, name: str, version: str) -> Manifest:
    """Raises NotFound; its message lists the existing versions."""
    try:
        return read_manifest(objects, manifest_name(name, version))[0]
    except ArtifactMissing as error:
        if not entries(objects, name):
            raise model_not_found(objects, name) from error
        raise NotFound(f"{name} has no version {version}; it has {format_versions(objects, name)}.") from error


def alias(objects: Objects, name: str, wanted: str) -> tuple[Alias, int]:
    """The alias and its generation. Raises NotFound; its message lists the existing aliases."""
    found = read_alias(objects, name, wanted)
    if found is None:
        if not (there := aliases(objects, name)) and not entries(objects, name):
            raise model_not_found(objects, name)
        raise NotFound(f"{name} has no alias {wanted}; it has {format_names(there)}.")
    return found


def models(objects: Objects) -> list[str]:
    return sorted({info.name.split("/")[1] for info in objects.list("models/")})


def model_not_found(objects: Objects, name: str) -> NotFound:
    there = dict.fromkeys(models(objects))
    return NotFound(f"The store has no model {check_model_name(name)}; it has {format_names(there)}.")


def format_versions(objects: Objects, name: str) -> str:
    return format_names({entry.version: entry for entry in entries(objects, name).values() if entry.manifest})


def format_names(found: Mapping[str, object]) -> str:
    names = list(found)[-10:]
    return (("..., " if len(found) > len(names) else "") + ", ".join(names)) or "none"
