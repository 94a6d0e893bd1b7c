"""The container's entry points as real processes, and what a worker pulls from."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from contract.events.topics import Topics
from modelserve_control.common import processes
from modelserve_control.common.processes import SOURCES
from modelserve_control.local import resources
from modelserve_control.local.resources import Names
from pubsub_host import serve_in_thread
from serving import CLEAN, PATIENT, Served, release, run_child

if TYPE_CHECKING:
    from models.library import Library  # imports mlflow, which takes seconds

QUICK = {"minimum_backoff": timedelta(milliseconds=10), "maximum_backoff": timedelta(milliseconds=50)}


@contextmanager
def hosting(
    kind: str, log: Path, settings: Mapping[str, str], ready: str = "/health/ready", cold: bool = False
) -> Iterator[Served]:
    """`http`, `events` or `worker` with exactly these settings, once `ready` answers 200. `cold`: as in `serving`."""
    run = processes.run_child if cold else run_child
    port = processes.free_port()
    url = f"http://127.0.0.1:{port}"
    environ = {name: os.environ[name] for name in CLEAN if name in os.environ} | {
        "PYTHONPATH": str(SOURCES / "functions"),
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "NO_GCE_CHECK": "true",
        **settings,
    }
    command = [sys.executable, "-m", "modelserve", kind]
    with (
        run(kind, command, log, processes.http_probe(url + ready), environ) as child,
        httpx.Client(base_url=url, timeout=120, trust_env=False) as client,
    ):
        yield Served(url, client, child)


@dataclass(frozen=True)
class Pulls(Topics):
    """The topics with a subscription that a worker pulls from."""

    subscription: str

    @property
    def settings(self) -> dict[str, str]:
        return {**super().settings, "SUBSCRIPTION": self.subscription, "METRICS": "true"}

    def publish(self, *bodies: bytes, **attributes: str) -> list[str]:
        """Their message ids, in order."""
        messages = [{"data": body, "attributes": attributes} for body in bodies]
        found: list[str] = []
        for start in range(0, len(messages), 1_000):
            answer = self.publisher.publish(topic=self.names.events, messages=messages[start : start + 1_000])
            found += answer.message_ids
        return found

    def left(self) -> int:
        """How many messages nobody has acked, once nobody pulls any more."""
        return len(self._pull(self.subscription, wait=False))


@contextmanager
def pulled(name: str = "worker", **subscription: Any) -> Iterator[Pulls]:
    """On a Pub/Sub server of its own. `subscription` are fields of the one that is pulled."""
    with serve_in_thread() as host:
        names = Names(name, name)
        resources.make_topics(host, names)
        with resources.subscriber(host) as subscriber, resources.publisher(host) as publisher:
            path = names.subscription("events-pull")
            policy = {"dead_letter_topic": names.dead_letter, "max_delivery_attempts": 5}
            request = {"retry_policy": QUICK, "dead_letter_policy": policy, "ack_deadline_seconds": 10, **subscription}
            subscriber.create_subscription(request={"name": path, "topic": names.events, **request})
            yield Pulls(host, names, subscriber, publisher, path)


@contextmanager
def working(
    models: Library, model: str, pulls: Pulls, path: Path, ready: str = "/health/ready", **more: str
) -> Iterator[Served]:
    """A worker of one model, compiled where it can be. Its log is in `path`."""
    release(path / "store", model, models.path(model), runtime="compiled")
    settings = {"MODEL_URI": f"{path}/store/models/{model}@champion", "MODEL_TRUST": "pickle", **PATIENT}
    settings |= pulls.settings | more
    with hosting("worker", path / "log", settings, ready) as made:
        yield made
