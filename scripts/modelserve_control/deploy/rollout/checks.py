"""The checks of a new revision. A check raises CandidateRejected, or returns evidence for the journal.

Add a check to BEFORE_TRAFFIC to run it before the revision gets any traffic, to DURING_SHARES to run it every 30 seconds
with each share of the traffic, and to OF_CALLERS to judge what Cloud Monitoring counts of the callers meanwhile. docs/rollout.md lists them.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import Any, Final

from modelserve_control.common.services.client import ServiceClient, decode, model_of
from modelserve_control.common.services.identity import Identity
from modelserve_control.common.services.polling import poll
from modelserve_control.deploy.rollout.cloud.monitoring import Counts, Monitoring
from modelserve_control.deploy.rollout.errors import CandidateRejected
from modelserve_control.deploy.rollout.golden import Golden
from modelserve_control.deploy.rollout.options import RolloutOptions
from modelserve_control.deploy.rollout.probe import TIMEOUT_SECONDS, Probe, compare_latencies, error_code

Evidence = dict[str, Any]

INTERVAL_SECONDS: Final = 30.0  # Cloud Monitoring counts once a minute
MIN_REQUESTS: Final = 20  # below, a ratio or a percentile says little and is not checked


@dataclass(frozen=True)
class Candidate:
    """A new revision. `tagged` is its own address, `url` that of the service, which is also the audience of tokens.

    Where it is not `reachable` from here, only what Cloud Monitoring counts is checked.
    """

    service: str
    full_name: str
    pinned: str
    revision: str
    tagged: str
    url: str
    reachable: bool


@dataclass(frozen=True)
class Trial:
    """`new` is the candidate, `old` the service's own address. The candidate must be ready within `ready` seconds."""

    options: RolloutOptions
    candidate: Candidate
    new: Probe
    old: Probe
    ready: float

    @property
    def golden(self) -> tuple[Golden, ...]:
        return self.options.golden_for(self.candidate.service)

    @property
    def expected(self) -> tuple[str | None, str | None]:
        return self.options.expected.get(self.candidate.service, (None, None))


def check_model(trial: Trial) -> Evidence:
    name, (expected_model, expected_version) = trial.new.name, trial.expected
    model, version = model_of(trial.new.wait_until_ready(trial.ready))
    if expected_model is not None and model != expected_model:
        raise CandidateRejected(f"{name} serves the model {model or 'none'} instead of {expected_model}.")
    if expected_version is not None and version != expected_version:
        raise CandidateRejected(
            f"{name} serves version {version or 'none'} of the model instead of {expected_version}."
        )
    return {"model": model or "", "model_version": version or ""}


def check_golden(trial: Trial) -> Evidence:
    for number, golden in enumerate(trial.golden, 1):
        response = trial.new.post(golden)
        what = f"{trial.new.name} answers golden request {number}"
        if response.status_code != HTTPStatus.OK:
            raise CandidateRejected(f"{what} with {response.status_code}: {error_code(response)}.")
        if difference := golden.difference(decode(response)):
            raise CandidateRejected(f"{what} differently: {difference}.")
    return {"golden": len(trial.golden)} if trial.golden else {}


def check_latency(trial: Trial) -> Evidence:
    if not trial.golden:
        return {}
    trial.old.seconds(trial.golden[0])  # the first request may start an instance; the candidate's is running
    new, old = (1000 * seconds for seconds in compare_latencies(trial.new, trial.old, trial.golden))
    reject_slower(trial.options, trial.candidate, new, old)
    return {"p95_ms": new, "pinned_p95_ms": old}


@dataclass(frozen=True)
class Callers:
    """What the callers of both revisions got since the candidate has its share, in percent of the traffic. `usual_p95` is
    the latency of the pinned revision when it was last known, in milliseconds."""

    options: RolloutOptions
    candidate: Candidate
    share: int
    new: Counts
    old: Counts
    usual_p95: float | None

    @property
    def enough_requests(self) -> bool:
        return self.new.requests >= MIN_REQUESTS


def check_errors(callers: Callers) -> None:
    new, allowed = callers.new, callers.options.max_error_ratio
    if callers.enough_requests and new.error_ratio > allowed:
        raise CandidateRejected(
            f"With {callers.share} % of the traffic {new.errors} of {new.requests} requests to "
            f"{callers.candidate.revision} failed ({new.error_ratio:.1%}, allowed {allowed:.1%})."
        )


def check_caller_latency(callers: Callers) -> None:
    if callers.enough_requests and callers.new.p95 is not None and callers.usual_p95 is not None:
        reject_slower(callers.options, callers.candidate, callers.new.p95, callers.usual_p95)


def reject_slower(options: RolloutOptions, candidate: Candidate, new: float, old: float) -> None:
    """Milliseconds."""
    if new > old * options.max_latency_factor:
        raise CandidateRejected(
            f"95 % of the answers of {candidate.revision} take up to {new:.1f} ms, and of {candidate.pinned} "
            f"{old:.1f} ms; allowed is {options.max_latency_factor:g} times that."
        )


BEFORE_TRAFFIC: Final[tuple[Callable[[Trial], Evidence], ...]] = (check_model, check_golden, check_latency)
DURING_SHARES: Final[tuple[Callable[[Trial], Evidence], ...]] = (check_model, check_golden)
OF_CALLERS: Final[tuple[Callable[[Callers], None], ...]] = (check_errors, check_caller_latency)


@dataclass(frozen=True)
class Checker:
    """Runs the checks. Every method raises CandidateRejected."""

    options: RolloutOptions
    monitoring: Monitoring
    identity: Callable[[str], Identity]
    usual_p95: dict[str, float] = field(default_factory=dict)  # milliseconds of the pinned revision, by service

    def smoke(self, candidate: Candidate) -> Evidence:
        if not candidate.reachable:
            return {"revision": candidate.revision, "asked": False}
        evidence: Evidence = {"revision": candidate.revision}
        with self.trial(candidate, self.options.ready) as trial:
            for check in BEFORE_TRAFFIC:
                evidence |= check(trial)
        return evidence

    def watch_share(self, candidates: list[Candidate], share: int, check_traffic: Callable[[], object]) -> Evidence:
        """For as long as the options say. `check_traffic` raises when somebody else has moved the traffic."""
        since = datetime.now(UTC)
        for _ in poll(self.options.watch, INTERVAL_SECONDS):
            check_traffic()
            evidence = {one.service: self.look(one, share, since) for one in candidates}
        return evidence

    def look(self, candidate: Candidate, share: int, since: datetime) -> Evidence:
        if candidate.reachable:
            with self.trial(candidate, min(self.options.ready, INTERVAL_SECONDS)) as trial:
                for check in DURING_SHARES:
                    check(trial)
        counts = self.monitoring.count(candidate.full_name, since)
        new, old = counts.get(candidate.revision, Counts()), counts.get(candidate.pinned, Counts())
        if old.requests >= MIN_REQUESTS and old.p95 is not None:
            self.usual_p95[candidate.service] = old.p95
        callers = Callers(self.options, candidate, share, new, old, self.usual_p95.get(candidate.service))
        for check_callers in OF_CALLERS:
            check_callers(callers)
        return {
            "revision": candidate.revision,
            "judged": callers.enough_requests,
            **new.as_document(),
            "pinned": old.as_document(),
        }

    @contextmanager
    def trial(self, candidate: Candidate, ready: float) -> Iterator[Trial]:
        identity = self.identity(candidate.url)
        connect = partial(ServiceClient, identity=identity, timeout=TIMEOUT_SECONDS)
        with connect(candidate.tagged) as new, connect(candidate.url) as old:
            yield Trial(self.options, candidate, Probe(candidate.revision, new), Probe(candidate.pinned, old), ready)


def check_permission(monitoring: Monitoring, services: Mapping[str, str]) -> None:
    for full_name in services.values():
        monitoring.count(full_name, datetime.now(UTC))
