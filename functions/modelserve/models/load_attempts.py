"""Loading on a thread of its own for each attempt: a model may hang while it loads, and nothing in Python can stop it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from modelserve.core.settings import Settings
from modelserve.models.loader import load
from modelserve.models.version import Loaded
from modelserve.store.buckets.objects import Objects
from modelserve.store.names.locations import Location
from modelserve.store.versions.alias import Alias
from modelserve.store.versions.resolve import at_alias, resolve


@dataclass(frozen=True)
class Target:
    """What is to be served: the location's own version, or what its alias said at this generation."""

    location: Location
    alias: Alias | None = None
    generation: int = 0

    @property
    def key(self) -> tuple[str, str] | None:
        """Two that have the same are the same version."""
        return (self.alias.version, self.alias.manifest_sha256) if self.alias else None

    def is_served_by(self, loaded: Loaded) -> bool:
        return self.key is None or self.key == (loaded.version, loaded.digest)

    def load(self, objects: Objects, settings: Settings) -> Loaded:
        """Raises as `loader.load` and `resolve` do."""
        if self.alias is None:
            return load(resolve(self.location, objects), objects, settings)
        return load(at_alias(self.location, objects, self.alias, self.generation), objects, settings)


class Attempt:
    """One try at one version. `ended` is called when it has come to something, on its thread."""

    def __init__(
        self, target: Target, objects: Objects, settings: Settings, ended: Callable[[Attempt], object]
    ) -> None:
        self.target = target
        self.deadline = time.monotonic() + settings.load_timeout_seconds
        self.given_up = False  # its time was up: what it comes to is discarded
        self.reported = False  # and that was said
        self.over = False
        self._objects = objects
        self._settings = settings
        self._ended = ended
        self._loaded: Loaded | None = None
        self._error: BaseException | None = None
        threading.Thread(target=self._run, name="load", daemon=True).start()

    def result(self) -> Loaded:
        """Once it is over. Raises whatever stopped it."""
        if self._loaded is None:
            raise self._error or RuntimeError("it is not over")
        return self._loaded

    def discard(self) -> None:
        """Once it is over: nobody wants what it loaded, which goes with its files."""
        if self._loaded is not None:
            threading.Thread(target=self._loaded.retire, name="retire", daemon=True).start()

    def _run(self) -> None:
        try:
            self._loaded = self.target.load(self._objects, self._settings)
        except BaseException as error:  # sys.exit() or a panic in Rust is an error of the version, too
            self._error = error
        self.over = True
        self._ended(self)
