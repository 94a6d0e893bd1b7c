"""What a rollout is asked to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from modelserve.core.errors import BadSetting
from modelserve_control.deploy.rollout.golden import Golden

# Cloud Run's own rule: https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.services/create
SERVICE = r"[a-z]([a-z0-9-]{0,47}[a-z0-9])?"
PREDICT, EVENT = "predict", "predict_event"


@dataclass(frozen=True)
class Order:
    """`functions` are the services by entry point; `shares` are percents of the traffic, rising to 100.

    `watch` and `ready` are seconds: how long each share is watched, and how long a revision may take to be ready.
    `golden` are requests for `predict` with their answers. `inside`: services that are closed to the outside are asked too.
    """

    project: str
    region: str
    functions: tuple[tuple[str, str], ...]
    deploy: tuple[str, ...] = ()
    reason: str = ""
    model: str | None = None
    model_version: str | None = None
    golden: tuple[Golden, ...] = ()
    shares: tuple[int, ...] = (5, 25, 50, 100)
    watch: float = 300.0
    ready: float = 300.0
    max_error_ratio: float = 0.01
    max_latency_factor: float = 2.0
    token_command: str | None = None
    inside: bool = False

    @cached_property
    def services(self) -> tuple[str, ...]:
        """In one order for everybody, so that of two rollouts of the same services one gets them all."""
        return tuple(sorted(service for _, service in self.functions))

    def full_name(self, service: str) -> str:
        return f"projects/{self.project}/locations/{self.region}/services/{service}"

    def function(self, service: str) -> str:
        return next(function for function, name in self.functions if name == service)


def parse_shares(text: str) -> tuple[int, ...]:
    """Raises BadSetting."""
    try:
        shares = tuple(int(part) for part in text.split(","))
    except ValueError:
        shares = ()
    if not rising(shares):
        raise BadSetting("--shares takes rising percents of which the last is 100, like 5,25,50,100.")
    return shares


def rising(shares: Sequence[int]) -> bool:
    return bool(shares) and shares[0] > 0 and shares[-1] == 100 and sorted(set(shares)) == list(shares)
