"""A function with a shadow: real processes of both, and what the shadow wrote."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from contract.events.topics import Seen, Topics
from modelserve.shadow_report import DIFFERENCE
from serving import Served, release, serving

WAIT_SECONDS = 120.0  # a shadow gets only the time that nobody else on the machine wants
SUMMARY, ACTIVATED, OTHERWISE = "shadow summary", "version activated", "the shadow answers otherwise"


@dataclass(frozen=True)
class Shadowed:
    """`served` with its shadow, both of the log `log`."""

    served: Served
    log: Path

    def lines(self, message: str) -> list[dict[str, Any]]:
        """What the shadow wrote under this message; a line that is being written is left out."""
        whole = self.log.read_text(errors="replace").rpartition("\n")[0].splitlines()
        found = [json.loads(line) for line in whole if line.startswith("{")]
        return [line for line in found if line["message"] == message and line.get("process") == "shadow"]

    def processes(self) -> list[psutil.Process]:
        """The shadow's, at most one at a time."""
        family = psutil.Process(self.served.child.pid).children(recursive=True)
        return [process for process in family if is_shadow(process)]

    def wait_until_active(self, start: Callable[[], Any], before: int = 0) -> None:
        """`start` makes one answer, with which the shadow starts. Until a challenger answers that did not `before`."""
        start()
        eventually(lambda: len(self.lines(ACTIVATED)) > before, "the challenger was not activated")

    def summary(self) -> dict[str, Any]:
        """The last one, which it writes when the server ends."""
        (shadow,) = self.processes()
        self.served.child.terminate()
        shadow.wait(WAIT_SECONDS)
        return self.lines(SUMMARY)[-1]


def is_shadow(process: psutil.Process) -> bool:
    try:
        return any("modelserve.shadow_process" in word for word in process.cmdline())
    except psutil.Error:  # it has just ended
        return False


def eventually(true: Callable[[], Any], otherwise: str) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while not true():
        assert time.monotonic() < end, otherwise
        time.sleep(0.02)


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
    }
    ready = "/health" if target == "predict" else "/health/ready"
    with serving(log, given | settings, target, ready) as served:
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
