"""One server process: it imports and starts everything itself, and not in the host's master.

The host imports `main.py` in its master and serves from forked workers. Memory of the master would be held twice, and its
threads would not survive the fork.
"""

from __future__ import annotations

import atexit
import gc
import logging
import os
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, ParamSpec

from modelserve.core.errors import BadSetting
from modelserve.core.settings import settings

if TYPE_CHECKING:
    from modelserve.core.metrics import Metrics
    from modelserve.events.app import Events
    from modelserve.events.outbox import Outbox
    from modelserve.http.app import Http
    from modelserve.http.cross_origin import CrossOrigin
    from modelserve.models.active import ActiveModel
    from modelserve.prediction_log.sender import PredictionLog
    from modelserve.shadow.sender import Shadow

logger = logging.getLogger(__name__)

P = ParamSpec("P")


class Process:
    def __init__(self) -> None:
        try:
            self.settings = settings()
        except BadSetting as error:  # ends the host before it listens, with its sentence and no stack
            raise SystemExit(f"modelserve: {error.message}") from None
        self._lock = threading.Lock()
        self._started = False
        atexit.register(self.sweep)
        os.register_at_fork(after_in_child=self.start)
        if self.settings.load_before_listen and "functions_framework._cli" in sys.modules:
            from modelserve.server.listening import open_after

            open_after(lambda: self.active.wait_for_first())

    @cached_property
    def metrics(self) -> Metrics:
        from modelserve.core.metrics import Metrics

        return Metrics(self.settings.metrics)

    @cached_property
    def active(self) -> ActiveModel:
        from modelserve.models.active import ActiveModel

        return ActiveModel(self.settings, self.metrics)

    @cached_property
    def shadow(self) -> Shadow | None:
        if not self.settings.shadow_model_uri:
            return None
        from modelserve.shadow.sender import Shadow

        return Shadow(self.settings, self.metrics)

    @cached_property
    def prediction_log(self) -> PredictionLog | None:
        if not self.settings.log_topic or not self.settings.log_percent or self.settings.dry_run:
            return None
        from modelserve.prediction_log.sender import PredictionLog

        return PredictionLog(self.settings, self.metrics)

    @cached_property
    def http(self) -> Http | CrossOrigin:
        if not self.settings.cors_origins:
            return self.http_endpoint
        from modelserve.http.cross_origin import CrossOrigin

        return CrossOrigin(self.http_endpoint.respond, self.settings.cors_origins)

    @cached_property
    def http_endpoint(self) -> Http:
        from modelserve.http.app import Http

        self.start()
        takers = [taker.submit_answer for taker in (self.shadow, self.prediction_log) if taker]
        return Http(self.settings, self.active, self.metrics, call_each(takers))

    @cached_property
    def events(self) -> Events:
        from modelserve.events.app import Events

        self.start()
        takers = [taker.submit_event for taker in (self.shadow, self.prediction_log) if taker]
        return Events(self.settings, self.active, self.metrics, self.outbox, call_each(takers))

    @cached_property
    def outbox(self) -> Outbox:
        from modelserve.events.outbox import Outbox

        return Outbox(self.settings, self.metrics)

    def start(self) -> None:
        with self._lock:
            if self._started:
                return
            self._started = True
        from modelserve.core import logs, memory

        # What the host imported stays in memory that it shares with its master: the collector would write into all of it.
        gc.freeze()
        memory.collect_seldom()
        memory.tune_malloc()
        logs.configure(self.settings.log_level)
        atexit.register(self.stop)
        self.active.start()
        if self.prediction_log is not None:  # now, so that it has a socket when the first request is answered
            self.prediction_log.start()
        if self.settings.predictions_topic and not self.settings.dry_run:
            threading.Thread(target=connect, args=(self.outbox,), name="outbox", daemon=True).start()

    def sweep(self) -> None:
        """The host ends its workers by a signal, so their own `stop` may never run: its master cleans up after them."""
        if not self._started:
            from modelserve.store.download import staging

            with suppress(OSError):
                staging.remove_stale(staging.private_path())

    def stop(self) -> None:
        self.active.stop()
        if "http_endpoint" in self.__dict__:
            self.http_endpoint.decoder.stop()
        for sidecar in (self.shadow, self.prediction_log):
            if sidecar is not None:
                sidecar.stop()


def call_each(takers: Sequence[Callable[P, None]]) -> Callable[P, None] | None:
    """One function that calls all; None for none, so that nothing is called."""
    if len(takers) < 2:
        return takers[0] if takers else None

    def call(*args: P.args, **named: P.kwargs) -> None:
        for taker in takers:
            taker(*args, **named)

    return call


def connect(outbox: Outbox) -> None:
    try:
        outbox.connect()
    except Exception as error:
        logger.error("the publisher cannot be made", exc_info=error)
