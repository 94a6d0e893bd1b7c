"""A version loaded as the functions load it. Without mlflow, which a compiled one does not need."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from modelserve.loading import Loaded, load
from modelserve.settings import Settings
from modelserve.store import locations
from modelserve.store.download import resolve
from modelserve.store.objects import open_objects
from modelserve_control.progress import Progress


@contextmanager
def model(uri: str, trust: str, progress: Progress) -> Iterator[Loaded]:
    """`uri` is a MODEL_URI; see `subjects.model_uri`."""
    progress.say(f"loading {uri}")
    settings = Settings.from_environ({"MODEL_URI": uri, "MODEL_TRUST": trust})
    location = locations.parse(settings.model_uri)
    with closing(open_objects(location)) as objects:
        loaded = load(resolve(location, objects), objects, settings)
    try:
        yield loaded
    finally:
        loaded.retire()
