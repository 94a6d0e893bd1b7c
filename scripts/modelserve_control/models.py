"""A version as the commands name it, and loaded as the functions load it. Without mlflow, which a compiled one does not need."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from modelserve.errors import SettingError
from modelserve.loading import Loaded, load
from modelserve.settings import Settings
from modelserve.store import locations
from modelserve.store.download import resolve
from modelserve.store.objects import open_objects
from modelserve_control import catalog
from modelserve_control.progress import Progress

SHORT = re.compile(r"[^/@]+(@[^/]+|/versions/[^/]+)")


def model_uri(model: str, store: str | None) -> str:
    """A MODEL_URI, or of a store also NAME@ALIAS and NAME/versions/N."""
    if not SHORT.fullmatch(model):
        return model
    if store is not None:
        catalog.located(store)
        return f"{store.rstrip('/')}/models/{model}"
    if Path(model).is_dir():
        return model
    raise SettingError(f"{model} is a version of a store: say which with --store, or write its whole address.")


@contextmanager
def model(uri: str, trust: str, progress: Progress) -> Iterator[Loaded]:
    """Loaded as the functions load it."""
    progress.say(f"loading {uri}")
    settings = Settings.from_environ({"MODEL_URI": uri, "MODEL_TRUST": trust})
    location = locations.parse(settings.model_uri)
    with closing(open_objects(location)) as objects:
        loaded = load(resolve(location, objects), objects, settings)
    try:
        yield loaded
    finally:
        loaded.retire()
