"""The active version: it is loaded and replaced in the background, while requests use the current one.

One thread reads the alias and decides what to load and when to retry. Each load has a thread of its own (`load_attempts`),
so that an alias that moves away from a hanging version is followed.
"""

import asyncio
import logging
import sys
import threading
import time
from concurrent.futures import Future
from contextlib import suppress

from modelserve.core import memory
from modelserve.core.backoff import Backoff
from modelserve.core.errors import ArtifactMissing, BadSetting, LoadTimeout, ModelNotReady, ServeError, VersionUnusable
from modelserve.core.freshness import Freshness, clock
from modelserve.core.metrics import Metrics
from modelserve.core.settings import Settings
from modelserve.models.load_attempts import LoadAttempt, Target
from modelserve.models.version import Loaded, retire_on_thread
from modelserve.store.buckets.objects import Objects
from modelserve.store.buckets.open import open_objects
from modelserve.store.names import locations
from modelserve.store.versions.alias import Alias, poll_alias

logger = logging.getLogger(__name__)

INITIAL_BACKOFF, MAX_BACKOFF = 1.0, 60.0  # seconds between attempts at a version that fails
# The alias is read every MODEL_REFRESH_SECONDS, and at least this often (in seconds) until a first version is active: a
# service is often deployed before its first version is promoted.
MAX_INITIAL_REFRESH = 1.0
# How long a port stays closed while a version loads. A start-up probe waits for it: that of Cloud Run 240 s.
MAX_CLOSED_SECONDS = 200.0
MAX_ATTEMPTS = 4  # loads at a time, including those that were given up: each holds a thread and the memory of a model


class ActiveModel:
    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self.settings = settings
        self.metrics = metrics
        self.current: Loaded | None = None
        self.error: ServeError | None = None
        self.draining = False  # this process is about to end: readiness is off, requests are still answered
        self._first: Future[None] = Future()  # ends when a version is active; it must not keep that version
        self._waiting: tuple[Future[None], asyncio.Future[None]] | None = None  # `_first`, and its future on a loop
        self._generation: int | None = None  # of the alias document that was last acted on
        self._target: Target | None = None
        self._attempts: list[LoadAttempt] = []  # running, or with a result that has not been collected
        self._backoff = Backoff(INITIAL_BACKOFF, MAX_BACKOFF)
        self._retry_at = 0.0
        self._objects: Objects | None = None
        self._switch_interval = sys.getswitchinterval()
        self._stopped = threading.Event()
        self._wake = threading.Event()
        self._freshness = Freshness(settings, metrics, self._wake.set)
        self._thread = threading.Thread(target=self._run, name="loader", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._wake.set()
        if self.current is not None and self.current.files is not None:
            self.current.files.close()

    @property
    def name(self) -> str:
        uri = self.settings.model_uri
        return self.settings.model_name or uri.rstrip("/").rsplit("/", 1)[-1].partition("@")[0] or "none"

    @property
    def reason(self) -> str:
        if self.draining:
            return "This process is about to end."
        return not_ready(self.error).message

    async def lease(self) -> Loaded:
        """The active version, which is not freed before its `leases.leave()`."""
        while (loaded := self.try_lease()) is None:
            await self.get()
            await self._freshness.wait()
            loaded = self.current
            if loaded is not None and loaded.leases.enter():
                return loaded
        return loaded

    def try_lease(self) -> Loaded | None:
        """None before the first version is active, while it is being replaced, or if the alias was last read too long
        ago."""
        loaded = self.current
        return loaded if loaded is not None and clock() < self._freshness.until and loaded.leases.enter() else None

    @property
    def closed_seconds(self) -> float:
        return min(self.settings.load_timeout_seconds, MAX_CLOSED_SECONDS)

    async def first(self) -> None:
        """Waits until a version is active or cannot be loaded, at most `closed_seconds`."""
        with suppress(ModelNotReady):
            await self.get(self.closed_seconds)

    def wait_for_first(self) -> None:
        """As `first`, without a loop."""
        if self.current is None and (self.error is None or self.error.retryable):
            with suppress(TimeoutError, ModelNotReady):
                self._first.result(self.closed_seconds)

    async def get(self, seconds: float | None = None) -> Loaded:
        """Waits for the first version, at most LOAD_WAIT_SECONDS if not told otherwise. Raises ModelNotReady."""
        seconds = self.settings.load_wait_seconds if seconds is None else seconds
        while self.current is None:
            if self.error is not None and not self.error.retryable:
                raise not_ready(self.error)
            try:
                await asyncio.wait_for(asyncio.shield(self._first_version()), seconds)
            except TimeoutError:
                raise not_ready(self.error) from None
        return self.current

    def _first_version(self) -> asyncio.Future[None]:
        """One future for all requests of a loop: a future for each would stay until a version is active, even if its
        request gave up."""
        first, loop = self._first, asyncio.get_running_loop()
        if self._waiting is None or self._waiting[0] is not first or self._waiting[1].get_loop() is not loop:
            self._waiting = first, asyncio.wrap_future(first)
        return self._waiting[1]

    def _run(self) -> None:
        """On the loader's thread, with all that it calls."""
        while not self._stopped.is_set():
            self._wake.clear()
            try:
                self._collect()
                self._refresh()
            except BaseException as error:  # sys.exit() or a panic in Rust must not end this thread
                self._fail(error)
            self._yield_to_requests()
            self._wake.wait(self._seconds_to_wait())

    def _on_done(self, attempt: LoadAttempt) -> None:
        if self._stopped.is_set():
            attempt.discard()
        self._wake.set()

    def _seconds_to_wait(self) -> float:
        now = time.monotonic()
        waits = [self.settings.model_refresh_seconds]
        if self.current is None:
            waits.append(MAX_INITIAL_REFRESH)
        if self._backoff.failures:
            waits.append(self._retry_at - now)
        waits += [attempt.deadline - now for attempt in self._attempts if not attempt.timed_out]
        return max(0.01, min(waits))

    def _collect(self) -> None:
        wanted = self._attempt_at_target()
        for attempt in [one for one in self._attempts if one.loaded.done()]:
            self._attempts.remove(attempt)
            if attempt is not wanted or attempt.timed_out:
                attempt.discard()
        for attempt in self._attempts:
            attempt.timed_out |= time.monotonic() >= attempt.deadline
        if wanted is None:
            return
        is_done = wanted.loaded.done()
        try:
            if is_done and not wanted.timed_out:
                self._activate(wanted.loaded.result())
            elif wanted.timed_out and not wanted.reported:
                wanted.reported = True
                raise LoadTimeout(
                    "This version did not load and score its sample within LOAD_TIMEOUT_SECONDS "
                    f"({self.settings.load_timeout_seconds:g} s); promote another one, or increase the setting."
                )
        finally:
            if is_done or wanted.timed_out:
                self._freshness.renew()

    def _attempt_at_target(self) -> LoadAttempt | None:
        return next((one for one in self._attempts if self._target and one.target.key == self._target.key), None)

    def _refresh(self) -> None:
        is_due = time.monotonic() >= self._retry_at
        began = clock()
        if began >= self._freshness.until and self._objects is not None:
            self._objects.close()  # the other end has closed its connections meanwhile, or nobody knows them any more
        try:
            location, objects, moved = self._poll()
        except Exception:
            self._freshness.fail(began)
            # The alias is read at every refresh, so that a move is followed at once. A failure is reported with backoff.
            if is_due:
                raise
            return
        if moved is not None:
            self._generation = moved[1]  # even if loading fails: it is retried after the backoff, not at each refresh
            self._target = Target(location, moved[0])
        self._target = target = self._target or Target(location)
        is_active = self.current is not None and target.is_served_by(self.current)
        attempt = self._attempt_at_target()
        is_loading = attempt is not None and not attempt.timed_out
        if location.alias is not None:
            has_failed = moved is None and self.error is not None and not is_loading
            self._freshness.succeed(began, is_active or has_failed)
        if is_active:
            self._backoff.reset()
            self.error = None
            return
        if is_loading:
            return
        if moved is not None or not self._backoff.failures or is_due:
            self._start_attempt(target, objects)

    def _start_attempt(self, target: Target, objects: Objects) -> None:
        """At most one at a version: it would hang again, and a thread cannot be stopped."""
        if self._attempt_at_target() is not None:
            raise LoadTimeout(
                "An earlier attempt at this version took too long and is still running; promote another one, or restart the server."
            )
        if len(self._attempts) >= MAX_ATTEMPTS:
            raise LoadTimeout(
                f"{MAX_ATTEMPTS} loads are still running, so no other is started before one ends; restart the server."
            )
        self._attempts.append(LoadAttempt(target, objects, self.settings, self._on_done))

    def _poll(self) -> tuple[locations.Location, Objects, tuple[Alias, int] | None]:
        """The location, its bucket, and the alias document with its generation if it has changed."""
        if not self.settings.model_uri:
            raise BadSetting(
                "MODEL_URI is not set; it says which model to serve, for example gs://B/models/N@champion."
            )
        location = locations.parse(self.settings.model_uri)
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

    def _activate(self, loaded: Loaded) -> None:
        previous, self.current = self.current, loaded  # the swap: later requests get the new version
        self._backoff.reset()
        self.error = None
        fields = {
            "model_name": loaded.name,
            "model_version": loaded.version,
            "alias": loaded.alias,
            "digest": loaded.digest,
            "runtime": loaded.runtime.kind,
            "seconds": dict(loaded.times),
        }
        logger.info("version activated", extra={"fields": fields})
        self.metrics.count("activations", outcome="activated")
        if not self._first.done():
            self._first.set_result(None)
        if previous is not None:
            retire_on_thread(previous)
        else:
            memory.trim_malloc()

    def _yield_to_requests(self) -> None:
        """Loading runs Python code for hundreds of milliseconds; switch threads ten times as often meanwhile."""
        loading = self.current is not None and any(not attempt.timed_out for attempt in self._attempts)
        sys.setswitchinterval(self._switch_interval / 10 if loading else self._switch_interval)

    def _fail(self, error: BaseException) -> None:
        self._retry_at = time.monotonic() + self._backoff.next_delay()
        self.metrics.count("activations", outcome="failed")
        if not isinstance(error, ServeError):
            error = VersionUnusable(f"This version cannot be loaded ({type(error).__name__}).").with_traceback(
                error.__traceback__
            )
        self.error = error
        if not error.retryable and self.current is None:
            waiting, self._first = self._first, Future()
            waiting.set_exception(not_ready(error))
        fields = {
            "error_code": error.code,
            "attempt": self._backoff.failures,
            "still_serving": self.current.version if self.current else None,
        }
        logger.error("%s", error.message, exc_info=error, extra={"fields": fields})


def not_ready(error: ServeError | None) -> ModelNotReady:
    return ModelNotReady(f"No model is active. {error.message}" if error else "No model is active yet.")
