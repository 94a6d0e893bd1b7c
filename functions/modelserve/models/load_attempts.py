"""Each load runs on a thread of its own: a model may hang while it loads, and a thread cannot be stopped."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from modelserve.core.settings import Settings
from modelserve.models.loader import load
from modelserve.models.version import Loaded, retire_on_thread
from modelserve.store.buckets.objects import Objects
from modelserve.store.names.locations import Location
from modelserve.store.versions.alias import Alias
from modelserve.store.versions.resolve import resolve, resolve_alias


@dataclass(frozen=True)
class Target:
    """The version to serve: that of the location, or the one that its alias names."""

    location: Location
    alias: Alias | None = None

    @property
    def key(self) -> tuple[str, str] | None:
        return (self.alias.version, self.alias.manifest_sha256) if self.alias else None

    def is_served_by(self, loaded: Loaded) -> bool:
        return self.key is None or self.key == (loaded.version, loaded.digest)

    def load(self, objects: Objects, settings: Settings) -> Loaded:
        location, alias = self.location, self.alias
        resolved = resolve_alias(location, objects, alias) if alias else resolve(location, objects)
        return load(resolved, objects, settings)


class LoadAttempt:
    """One attempt at one version. `on_done` is called on its thread when it has loaded or failed."""

    def __init__(
        self, target: Target, objects: Objects, settings: Settings, on_done: Callable[[LoadAttempt], object]
    ) -> None:
        self.target = target
        self.deadline = time.monotonic() + settings.load_timeout_seconds
        self.timed_out = False  # its result will be discarded
        self.reported = False  # the timeout was logged
        self.loaded: Future[Loaded] = Future()
        self._objects = objects
        self._settings = settings
        self._on_done = on_done
        threading.Thread(target=self._run, name="load", daemon=True).start()

    def discard(self) -> None:
        if self.loaded.exception() is None:
            retire_on_thread(self.loaded.result())

    def _run(self) -> None:
        try:
            self.loaded.set_result(self.target.load(self._objects, self._settings))
        except BaseException as error:  # sys.exit() or a panic in Rust is an error of the version, too
            self.loaded.set_exception(error)
        self._on_done(self)
