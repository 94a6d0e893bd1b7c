"""Loads a version as the functions do. Does not import mlflow, which compiled versions do not need."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.abc import MetaPathFinder
from typing import Any, Final

import pyarrow as pa

from modelserve.core.errors import ArtifactMissing
from modelserve.core.memory import tune_malloc
from modelserve.core.settings import Settings
from modelserve.models.loader import load
from modelserve.models.version import UNVERSIONED, Loaded
from modelserve.store.buckets.objects import Objects
from modelserve.store.names import locations
from modelserve.store.names.locations import Location
from modelserve.store.versions.resolve import Resolved, resolve
from modelserve_control.batch.files.table_files import BUCKET
from modelserve_control.common.progress import Progress
from modelserve_control.registry import catalog

# Of freed memory, for the next call: arrays of 100,000 rows have some megabytes each. It is the most that glibc takes as a block.
KEPT_BYTES: Final = 32 << 20


@contextmanager
def load_model(uri: str, trust: str, progress: Progress, unknown_categories: str = "accept") -> Iterator[Loaded]:
    """`uri` is a MODEL_URI, `unknown_categories` UNKNOWN_CATEGORIES."""
    tune_malloc(KEPT_BYTES, KEPT_BYTES)
    progress.say(f"loading {uri}")
    settings = Settings.from_environ({"MODEL_URI": uri, "MODEL_TRUST": trust, "UNKNOWN_CATEGORIES": unknown_categories})
    location = locations.parse(settings.model_uri)
    with closing(catalog.open_location(location)) as objects:
        loaded = load(resolve_version(location, objects), objects, settings)
    try:
        yield loaded
    finally:
        loaded.retire()


def resolve_version(location: Location, objects: Objects) -> Resolved:
    """Raises NotFound, naming what the store has."""
    try:
        return resolve(location, objects)
    except ArtifactMissing:
        if location.name and location.alias:
            catalog.alias(objects, location.name, location.alias)
        elif location.name and location.version:
            catalog.manifest(objects, location.name, location.version)
        raise


def pin(uri: str, loaded: Loaded) -> str:
    """The version that an alias has named: all parts are scored by it."""
    location = locations.parse(uri)
    if location.name is None or loaded.version == UNVERSIONED:
        return uri
    root = f"{BUCKET}{location.bucket}" if location.scheme == "gs" else location.bucket
    return f"{root}/{locations.version_prefix(loaded.name, loaded.version)}"


class NoPandas(MetaPathFinder):
    """Python asks it first for each module that is not imported yet."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> None:
        if fullname == "pandas":
            raise ModuleNotFoundError("pandas is kept out", name=fullname)


def keep_pandas_out(loaded: Loaded) -> None:
    """Of a process that only scores a compiled version: at its first conversion pyarrow imports pandas, in half a second, to
    recognize a Series, and none comes. It tries that once."""
    if loaded.runtime.kind != "compiled" or "pandas" in sys.modules:
        return
    finder = NoPandas()
    sys.meta_path.insert(0, finder)
    try:
        pa.scalar(0)
    finally:
        sys.meta_path.remove(finder)
