"""A function with a shadow: real processes of both, and what the shadow wrote."""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from contract.events.topics import Seen, Topics
from http_server import WAIT_SECONDS
from modelserve.shadow.report import DIFFERENCE
from modelserve_control.common.processes import Child
from serving import PATIENT, Served, release, serving

SHADOW, LOG = "modelserve.shadow.process", "modelserve.prediction_log.process"
TAKEN = "samples taken"
SUMMARY, ACTIVATED, OTHERWISE = "shadow summary", "version activated", "the answer of the shadow differs"
EACH = {"LOG_LEVEL": "DEBUG"}
"""Of a function whose test awaits what its shadow has taken."""


@dataclass(frozen=True)
class Shadowed:
    """`served` with its shadow, both of the log `log`."""

    served: Served
    log: Path

    def lines(self, *messages: str) -> list[dict[str, Any]]:
        """What the shadow wrote under these messages; a line that is being written is left out."""
        whole = self.log.read_text(errors="replace").rpartition("\n")[0].splitlines()
        found = [json.loads(line) for line in whole if line.startswith("{")]
        return [line for line in found if line["message"] in messages and line.get("process") == "shadow"]

    def processes(self) -> list[psutil.Process]:
        """The shadow's, at most one at a time."""
        return shadows(self.served.child)

    def wait_until_active(self, start: Callable[[], Any], before: int = 0) -> None:
        """`start` makes one answer, with which the shadow starts. Until a challenger answers that did not `before`."""
        start()
        eventually(lambda: len(self.lines(ACTIVATED)) > before, "the challenger was not activated")

    def offers(self) -> dict[str, int]:
        """By outcome."""
        text = self.served.client.get("/metrics").text
        found = re.findall(r'^modelserve_shadow_offers_total\{outcome="(\w+)"\} (\d+)', text, re.MULTILINE)
        return {outcome: int(count) for outcome, count in found}

    def taken(self) -> int:
        """Offers since a challenger was last activated, or since there is a shadow."""
        counts = [0]
        for line in self.lines(ACTIVATED, TAKEN):
            counts = [0] if line["message"] == ACTIVATED else [*counts, line["samples"]]
        return sum(counts)

    def wait_until_taken(self, count: int) -> None:
        eventually(lambda: self.taken() >= count, f"not {count} offers were taken")

    def summary(self, taken: int = 0) -> dict[str, Any]:
        """The last one, which it writes when the server ends: for what it has not taken by then it has but a second."""
        self.wait_until_taken(taken)
        (shadow,) = self.processes()
        self.served.child.terminate()
        shadow.wait(WAIT_SECONDS)
        return self.lines(SUMMARY)[-1]


def shadows(server: Child) -> list[psutil.Process]:
    return [process for process in psutil.Process(server.pid).children(recursive=True) if runs(process, SHADOW)]


def runs(process: psutil.Process, *modules: str) -> bool:
    try:
        return any(module in word for word in process.cmdline() for module in modules)
    except psutil.Error:  # it has just ended
        return False


def eventually(true: Callable[[], Any], otherwise: str) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while not true():
        assert time.monotonic() < end, otherwise
        time.sleep(0.02)


@contextmanager
def served_like_others(server: Child) -> Iterator[None]:
    """Its shadow and its prediction log get only the time that nobody else wants, and while all rooms are tested there is none. So they get as
    much as others, where the system allows that; root always may."""
    done = threading.Event()

    def keep() -> None:
        while not done.wait(0.2):
            with suppress(psutil.Error, OSError):  # it has just ended, or must stay where it is
                every = psutil.Process(server.pid).children(recursive=True)
                for process in [one for one in every if runs(one, SHADOW, LOG)]:
                    for thread in process.threads():
                        os.sched_setscheduler(thread.id, os.SCHED_OTHER, os.sched_param(0))
                        os.setpriority(os.PRIO_PROCESS, thread.id, 0)

    keeper = threading.Thread(target=keep)
    keeper.start()
    try:
        yield
    finally:
        done.set()
        keeper.join()


@contextmanager
def shadowed(
    directory: Path, uri: str, challenger: str, target: str = "predict", **settings: str
) -> Iterator[Shadowed]:
    """Every answer is offered unless `settings` say otherwise."""
    log = directory / "function.log"
    given = {
        "MODEL_URI": uri,
        "SHADOW_MODEL_URI": challenger,
        "SHADOW_PERCENT": "100",
        "MODEL_TRUST": "pickle",
        "METRICS": "true",
        **PATIENT,
    }
    ready = "/health" if target == "predict" else "/health/ready"
    with serving(log, given | settings, target, ready) as served, served_like_others(served.child):
        yield Shadowed(served, log)


def published(store: Path, name: str, model: Path, runtime: str = "native", presentation: Any = None) -> str:
    """A MODEL_URI for it."""
    release(store, name, model, presentation, runtime=runtime)
    return f"{store}/models/{name}@champion"


@dataclass(frozen=True)
class Differences:
    """The topic of an embedded Pub/Sub server that differences go to, emptied as it is read."""

    topics: Topics
    topic: str
    subscription: str

    @property
    def settings(self) -> dict[str, str]:
        return {**self.topics.settings, "SHADOW_TOPIC": self.topic}

    def take(self, count: int) -> list[Seen]:
        """At least so many differences, and all that are there. Summaries, also of functions that ended, are passed over."""
        found: list[Seen] = []
        while len(found) < count:
            found += [one for one in self.topics._take(self.subscription, 1) if one.attributes["kind"] == DIFFERENCE]
        return found
