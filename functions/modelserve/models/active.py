"""The active version: one loader, one pointer, and requests that never wait for either once a version answers.

The loader's thread looks at the alias and never loads: each attempt has a thread of its own, so that an alias that is
moved away from a version that hangs is followed.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
from concurrent.futures import Future

from modelserve.core import memory
from modelserve.core.errors import ArtifactMissing, BadSetting, LoadTimeout, ModelNotReady, ServeError, VersionUnusable
from modelserve.core.metrics import Metrics
from modelserve.core.settings import Settings
from modelserve.models.load_attempts import Attempt, Target
from modelserve.models.version import Loaded
from modelserve.store.buckets.objects import Objects
from modelserve.store.buckets.open import open_objects
from modelserve.store.names import locations
from modelserve.store.versions.alias import Alias, poll_alias

logger = logging.getLogger(__name__)

FIRST_BACKOFF, LONGEST_BACKOFF = 1.0, 60.0  # seconds between attempts at a version that fails
# Seconds between two looks at the alias while no version answers. A first deployment often comes before the first
# promotion, and until then nobody is served, while one small request a second burdens nobody.
FIRST_REFRESH = 1.0
# Loads that have not ended, those included that were given up: each holds a thread and the memory of a model.
MOST_ATTEMPTS = 4


class ActiveModel:
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
        self._target: Target | None = None  # the version that is wanted
        self._attempts: list[Attempt] = []  # that have not ended, or whose result was not taken yet
        self._failures = 0
        self._retry_at = 0.0
        self._objects: Objects | None = None
        self._usual_switch = sys.getswitchinterval()
        self._stopped = threading.Event()
        self._woken = threading.Event()
        self._thread = threading.Thread(target=self._run, name="loader", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """After the last answer: load nothing any more, and leave no files behind."""
        self._stopped.set()
        self._woken.set()
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
        """Waits for the first version at most LOAD_WAIT_SECONDS, then raises ModelNotReady."""
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
            self._woken.clear()
            try:
                self._settle()
                self._refresh()
            except BaseException as error:  # sys.exit() or a panic in Rust must not end the only thread that looks
                self._failed(error)
            self._yield_to_requests()
            self._woken.wait(self._pause())

    def _ended(self, attempt: Attempt) -> None:
        """On the attempt's thread."""
        if self._stopped.is_set():
            attempt.discard()
        self._woken.set()

    def _pause(self) -> float:
        """Seconds to the next look at the alias, or at an attempt whose time is up then."""
        now = time.monotonic()
        pauses = [self.settings.model_refresh_seconds]
        if self.current is None:
            pauses.append(FIRST_REFRESH)
        if self._failures:
            pauses.append(self._retry_at - now)
        pauses += [attempt.deadline - now for attempt in self._attempts if not attempt.given_up]
        return max(0.01, min(pauses))

    def _settle(self) -> None:
        """Take what the attempts have come to, and give up those whose time is up."""
        wanted = self._attempt()
        for attempt in [one for one in self._attempts if one.over]:
            self._attempts.remove(attempt)
            if attempt is not wanted or attempt.given_up:
                attempt.discard()
        for attempt in self._attempts:
            attempt.given_up |= time.monotonic() >= attempt.deadline
        if wanted is None:
            return
        if wanted.over and not wanted.given_up:
            self._activate(wanted.result())
        elif wanted.given_up and not wanted.reported:
            wanted.reported = True
            raise LoadTimeout(
                "This version did not load and score its sample within LOAD_TIMEOUT_SECONDS "
                f"({self.settings.load_timeout_seconds:g} s); promote another one, or give it more time."
            )

    def _attempt(self) -> Attempt | None:
        """The one at the version that is wanted."""
        return next((one for one in self._attempts if self._target and one.target.key == self._target.key), None)

    def _refresh(self) -> None:
        due = time.monotonic() >= self._retry_at
        try:
            location, objects, moved = self._poll()
        except Exception:
            # Asked at every poll, since a moved alias is acted on at once; told no more often than a load that fails.
            if due:
                raise
            return
        if moved is not None:
            self._generation = moved[1]  # also when it fails: the backoff, not the next poll, tries it again
            self._target = Target(location, *moved)
        self._target = target = self._target or Target(location)
        if self.current is not None and target.is_served_by(self.current):
            self._failures = 0
            self.error = None
            return
        attempt = self._attempt()
        if attempt is not None and not attempt.given_up:
            return
        if moved is not None or not self._failures or due:
            self._begin(target, objects)

    def _begin(self, target: Target, objects: Objects) -> None:
        """Of one version one attempt at a time: what hangs once would hang again, and no thread can be ended."""
        if self._attempt() is not None:
            raise LoadTimeout(
                "An earlier attempt at this version took too long and has not ended; promote another one, or restart the server."
            )
        if len(self._attempts) >= MOST_ATTEMPTS:
            raise LoadTimeout(
                f"{MOST_ATTEMPTS} loads have not ended, so no other is begun before one of them has; restart the server."
            )
        self._attempts.append(Attempt(target, objects, self.settings, self._ended))

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
            raise BadSetting(
                "MODEL_URI is not set; it says which model to serve, for example gs://B/models/N@champion."
            )
        return locations.parse(self.settings.model_uri)

    def _activate(self, loaded: Loaded) -> None:
        current, self.current = self.current, loaded  # the swap: requests that come from here on get the new version
        self._failures = 0
        self.error = None
        logger.info("version activated", extra={"fields": activation_fields(loaded)})
        self.metrics.count("activations", outcome="activated")
        if not self._first.done():
            self._first.set_result(loaded)
        if current is not None:
            threading.Thread(target=current.retire, name="retire", daemon=True).start()
        else:
            memory.trim_malloc()

    def _yield_to_requests(self) -> None:
        """Loading is Python code of hundreds of milliseconds: hand the interpreter over ten times as often meanwhile."""
        loading = self.current is not None and any(not attempt.given_up for attempt in self._attempts)
        sys.setswitchinterval(self._usual_switch / 10 if loading else self._usual_switch)

    def _failed(self, error: BaseException) -> None:
        self._failures += 1
        doublings = min(self._failures - 1, 10)  # after a day without the store the power would be no float any more
        self._retry_at = time.monotonic() + min(FIRST_BACKOFF * 2**doublings, LONGEST_BACKOFF)
        self.metrics.count("activations", outcome="failed")
        if not isinstance(error, ServeError):
            error = VersionUnusable(f"This version cannot be loaded ({type(error).__name__}).").with_traceback(
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


def not_ready(error: ServeError | None) -> ModelNotReady:
    return ModelNotReady(f"No model is active. {error.message}" if error else "No model is active yet.")


def activation_fields(loaded: Loaded) -> dict[str, object]:
    return {
        "model_name": loaded.name,
        "model_version": loaded.version,
        "alias": loaded.alias,
        "digest": loaded.digest,
        "runtime": loaded.runtime.kind,
        "seconds": dict(loaded.times),
    }
