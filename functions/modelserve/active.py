"""The active version: one loader, one pointer, and requests that never wait for either once a version answers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace

from modelserve import memory
from modelserve.errors import ArtifactMissing, NotReady, ServeError, SettingError, VersionError
from modelserve.loading import Loaded, load
from modelserve.metrics import Metrics
from modelserve.settings import Settings
from modelserve.store import locations
from modelserve.store.alias import Alias, poll_alias
from modelserve.store.objects import Objects, open_objects
from modelserve.store.resolve import Resolved, at_alias, resolve

logger = logging.getLogger(__name__)

FIRST_BACKOFF, LONGEST_BACKOFF = 1.0, 60.0  # seconds between attempts at a version that fails
# Seconds between two looks at the alias while no version answers. A first deployment often comes before the first
# promotion, and until then nobody is served, while one small request a second burdens nobody.
FIRST_REFRESH = 1.0


class Active:
    """Loads `MODEL_URI` on its own thread and keeps it in step with its alias."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self.settings = settings
        self.metrics = metrics
        self.current: Loaded | None = None
        self.error: ServeError | None = None
        self.draining = False  # this process ends: it answers what it has, and asks for no more
        self._first: Future[Loaded] = Future()
        self._waiting: tuple[Future[Loaded], asyncio.Future[Loaded]] | None = None  # `_first`, and that on a loop
        self._generation: int | None = None  # of the alias document that was last acted on
        self._failures = 0
        self._retry_at = 0.0
        self._objects: Objects | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="loader", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """After the last answer: load nothing any more, and leave no files behind."""
        self._stopped.set()
        if self.current is not None and self.current.held is not None:
            self.current.held.close()

    @property
    def name(self) -> str:
        """What the model is called before it is known."""
        uri = self.settings.model_uri
        return self.settings.model_name or uri.rstrip("/").rsplit("/", 1)[-1].partition("@")[0] or "none"

    @property
    def reason(self) -> str:
        if self.draining:
            return "This process is about to end."
        return not_ready(self.error).message

    async def lease(self) -> Loaded:
        """The active version, which is not retired before its `leases.leave()`."""
        loaded = self.current or await self.get()
        while not loaded.leases.enter():
            loaded = await self.get()
        return loaded

    async def get(self) -> Loaded:
        """Waits for the first version at most LOAD_WAIT_SECONDS, then raises NotReady."""
        if self.current is not None:
            return self.current
        if self.error is not None and not self.error.retryable:
            raise not_ready(self.error)
        try:
            return await asyncio.wait_for(asyncio.shield(self._awaited()), self.settings.load_wait_seconds)
        except TimeoutError:
            raise not_ready(self.error) from None

    def _awaited(self) -> asyncio.Future[Loaded]:
        """The first version, as one future for all requests of a loop: one of its own would stay behind when a request
        gives up, for as long as no version comes."""
        first, loop = self._first, asyncio.get_running_loop()
        if self._waiting is None or self._waiting[0] is not first or self._waiting[1].get_loop() is not loop:
            self._waiting = first, asyncio.wrap_future(first)
        return self._waiting[1]

    # --- the loader's thread ---

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._refresh()
            except BaseException as error:  # sys.exit() or a panic in Rust must not end the only thread that loads
                self._failed(error)
            self._stopped.wait(self._pause())

    def _pause(self) -> float:
        """Seconds to the next look at the alias."""
        pauses = [self.settings.model_refresh_seconds]
        if self.current is None:
            pauses.append(FIRST_REFRESH)
        if self._failures:
            pauses.append(self._retry_at - time.monotonic())
        return max(0.01, min(pauses))

    def _refresh(self) -> None:
        due = time.monotonic() >= self._retry_at
        try:
            location, objects, moved = self._poll()
        except Exception:
            # Asked at every poll, since a moved alias is acted on at once; told no more often than a load that fails.
            if due:
                raise
            return
        retry = self._failures and due
        if moved is None and not retry and (self.current is not None or self._failures):
            return
        if moved is not None:
            self._generation = moved[1]  # also when it fails: the backoff, not the next poll, tries it again
        resolved = at_alias(location, objects, *moved) if moved else resolve(location, objects)
        self._activate(resolved, objects)
        self._failures = 0
        self.error = None

    def _poll(self) -> tuple[locations.Location, Objects, tuple[Alias, int] | None]:
        """Also what the alias says now, if it was moved."""
        location = self._location()
        objects = self._objects = self._objects or open_objects(location)
        if location.name is None or location.alias is None:
            return location, objects, None
        try:
            return location, objects, poll_alias(objects, location.name, location.alias, self._generation)
        except ArtifactMissing as error:
            raise ArtifactMissing(
                f"There is no alias {location.alias} of the model {location.name} in this store, or no such store; "
                "promote a version to it, or correct MODEL_URI."
            ) from error

    def _location(self) -> locations.Location:
        if not self.settings.model_uri:
            raise SettingError(
                "MODEL_URI is not set; it says which model to serve, for example gs://B/models/N@champion."
            )
        return locations.parse(self.settings.model_uri)

    def _activate(self, resolved: Resolved, objects: Objects) -> None:
        current = self.current
        if current is not None and current.digest == resolved.manifest_sha256 and current.version == resolved.version:
            self.current = replace(current, alias=resolved.alias_name)
            return
        with contextlib.nullcontext() if current is None else yielding():
            loaded = load(resolved, objects, self.settings)
        self.current = loaded  # the swap: requests that come from here on get the new version
        logger.info("version activated", extra={"fields": activation_fields(loaded)})
        self.metrics.count("activations", outcome="activated")
        if not self._first.done():
            self._first.set_result(loaded)
        if current is not None:
            threading.Thread(target=current.retire, name="retire", daemon=True).start()
        else:
            memory.give_back_freed()

    def _failed(self, error: BaseException) -> None:
        self._failures += 1
        doublings = min(self._failures - 1, 10)  # after a day without the store the power would be no float any more
        self._retry_at = time.monotonic() + min(FIRST_BACKOFF * 2**doublings, LONGEST_BACKOFF)
        self.metrics.count("activations", outcome="failed")
        if not isinstance(error, ServeError):
            error = VersionError(f"This version cannot be loaded ({type(error).__name__}).").with_traceback(
                error.__traceback__
            )
        self.error = error
        if not error.retryable and self.current is None:
            waiting, self._first = self._first, Future()
            waiting.set_exception(not_ready(error))
        serving = self.current.version if self.current else None
        logger.error(
            "%s",
            error.message,
            exc_info=error,
            extra={"fields": {"error_code": error.code, "attempt": self._failures, "still_serving": serving}},
        )


@contextmanager
def yielding() -> Iterator[None]:
    """Loading is Python code of hundreds of milliseconds: hand the interpreter to requests ten times as often meanwhile."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(usual / 10)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)


def not_ready(error: ServeError | None) -> NotReady:
    return NotReady(f"No model is active. {error.message}" if error else "No model is active yet.")


def activation_fields(loaded: Loaded) -> dict[str, object]:
    return {
        "model_name": loaded.name,
        "model_version": loaded.version,
        "alias": loaded.alias,
        "digest": loaded.digest,
        "runtime": loaded.runtime.kind,
        "seconds": dict(loaded.times),
    }
