"""A version loaded as the functions load it. Without mlflow, which a compiled one does not need."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from modelserve.errors import ArtifactMissing
from modelserve.loading import Loaded, load
from modelserve.settings import Settings
from modelserve.store import locations
from modelserve.store.download import Resolved, resolve
from modelserve.store.locations import Location
from modelserve.store.objects import Objects, open_objects
from modelserve_control import catalog
from modelserve_control.progress import Progress


@contextmanager
def model(uri: str, trust: str, progress: Progress) -> Iterator[Loaded]:
    """`uri` is a MODEL_URI; see `subjects.model_uri`."""
    progress.say(f"loading {uri}")
    settings = Settings.from_environ({"MODEL_URI": uri, "MODEL_TRUST": trust})
    location = locations.parse(settings.model_uri)
    with closing(open_objects(location)) as objects:
        loaded = load(resolved(location, objects), objects, settings)
    try:
        yield loaded
    finally:
        loaded.retire()


def resolved(location: Location, objects: Objects) -> Resolved:
    """Raises NotFound, naming what the store has instead."""
    try:
        return resolve(location, objects)
    except ArtifactMissing:
        if location.name and location.alias:
            catalog.alias(objects, location.name, location.alias)
        elif location.name and location.version:
            catalog.manifest(objects, location.name, location.version)
        raise
