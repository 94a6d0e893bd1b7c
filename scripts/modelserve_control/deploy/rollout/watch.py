"""Whether a candidate is as good as the revision that is pinned: before it gets traffic, and with every share of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from modelserve_control.common.identity import Identity
from modelserve_control.deploy.rollout.cloud.monitoring import Monitoring, Seen
from modelserve_control.deploy.rollout.errors import Doubt
from modelserve_control.deploy.rollout.order import PREDICT, Order
from modelserve_control.deploy.rollout.probe import Probe, probing, side_by_side

FEWEST = 20  # requests below which a ratio or a percentile says little, and is not judged
INTERVAL = 30.0  # seconds between two looks; Monitoring's own counts come once a minute


@dataclass(frozen=True)
class Candidate:
    """A revision on trial. `tagged` is its own address, `url` that of the service, which is also the audience.

    One that is not `reachable` from here is not asked anything: what its callers got is all that is judged.
    """

    service: str
    full_name: str
    function: str
    pinned: str
    revision: str
    tagged: str
    url: str
    reachable: bool


class Watch:
    def __init__(self, order: Order, monitoring: Monitoring, identity: Callable[[str], Identity]) -> None:
        self.order = order
        self.monitoring = monitoring
        self.identity = identity
        self.usual: dict[str, float] = {}  # by service, what the pinned revision took when it was last judged

    def smoke(self, candidate: Candidate) -> dict[str, Any]:
        """Before any traffic: ready, the right version, golden answers, and about as fast. Raises Doubt."""
        if not candidate.reachable:
            return {"revision": candidate.revision, "asked": False}
        with self.probes(candidate) as (new, old):
            answer = new.ready(self.order.ready)
            new.serves(answer, self.order.model, self.order.model_version)
            told: dict[str, Any] = {
                "revision": candidate.revision,
                "model": answer.model,
                "model_version": answer.version,
            }
            golden = self.golden(candidate)
            if not golden:
                return told
            new.gives(golden)
            old.seconds(golden[0])  # a first request may start an instance, which the other has done by now
            mine, theirs = side_by_side(new, old, golden)
        told |= {"golden": len(golden), "p95_ms": mine * 1000, "pinned_p95_ms": theirs * 1000}
        self.slower(candidate, mine * 1000, theirs * 1000)
        return told

    def share(self, candidates: list[Candidate], share: int, unmoved: Callable[[], object]) -> dict[str, Any]:
        """For as long as the order says. `unmoved` raises when the traffic is not what it was set to. Raises Doubt."""
        since, end = datetime.now(UTC), time.monotonic() + self.order.watch
        while True:
            unmoved()
            told = {one.service: self.look(one, share, since) for one in candidates}
            left = end - time.monotonic()
            if left <= 0:
                return told
            time.sleep(min(INTERVAL, left))

    def look(self, candidate: Candidate, share: int, since: datetime) -> dict[str, Any]:
        if candidate.reachable:
            with self.probes(candidate) as (new, _):
                new.serves(new.ready(min(self.order.ready, INTERVAL)), self.order.model, self.order.model_version)
                new.gives(self.golden(candidate))
        seen = self.monitoring.seen(candidate.full_name, since)
        mine, theirs = seen.get(candidate.revision, Seen()), seen.get(candidate.pinned, Seen())
        judged = mine.requests >= FEWEST
        if judged and mine.ratio > self.order.max_error_ratio:
            raise Doubt(
                f"With {share} % of the traffic {mine.errors} of {mine.requests} requests to {candidate.revision} failed "
                f"({mine.ratio:.1%}, allowed {self.order.max_error_ratio:.1%})."
            )
        if theirs.requests >= FEWEST and theirs.p95 is not None:
            self.usual[candidate.service] = theirs.p95
        if judged and mine.p95 is not None and candidate.service in self.usual:
            self.slower(candidate, mine.p95, self.usual[candidate.service])
        return {"revision": candidate.revision, "judged": judged, **mine.document(), "pinned": theirs.document()}

    def slower(self, candidate: Candidate, mine: float, theirs: float) -> None:
        """Milliseconds. Raises Doubt."""
        if mine > theirs * self.order.max_latency_factor:
            raise Doubt(
                f"95 % of the answers of {candidate.revision} take up to {mine:.1f} ms, and of {candidate.pinned} "
                f"{theirs:.1f} ms; allowed is {self.order.max_latency_factor:g} times that."
            )

    def golden(self, candidate: Candidate) -> tuple[Any, ...]:
        """What `predict_event` is sent is published, so only its health is asked."""
        return self.order.golden if candidate.function == PREDICT else ()

    @contextmanager
    def probes(self, candidate: Candidate) -> Iterator[tuple[Probe, Probe]]:
        """Of the candidate, and of the address of the service."""
        with ExitStack() as stack:
            identity = self.identity(candidate.url)
            new = probing(candidate.revision, candidate.tagged, identity)
            old = probing(candidate.pinned, candidate.url, identity)
            yield stack.enter_context(new), stack.enter_context(old)


def permitted(monitoring: Monitoring, services: Mapping[str, str]) -> None:
    """Raises CloudFailed while nothing has been changed yet, instead of in the middle."""
    for full_name in services.values():
        monitoring.seen(full_name, datetime.now(UTC))
