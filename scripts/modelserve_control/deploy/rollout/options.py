import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from modelserve.core.errors import BadSetting
from modelserve_control.deploy.rollout.golden import Golden

# Cloud Run's rule: https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.services/create
SERVICE: Final = re.compile(r"[a-z]([a-z0-9-]{0,47}[a-z0-9])?")
PREDICT, EVENT = "predict", "predict_event"


@dataclass(frozen=True)
class RolloutOptions:
    """`functions` are pairs of entry point and service. `shares` are rising percents of the traffic; the last is 100.

    `watch` and `ready` are seconds: to watch each share, and until a revision must be ready. `inside`: services that are
    closed to the outside are asked too. `expected` is the model, and the version or None, that a service must serve. `code` is the archive or the image of which every service must be in the end.
    """

    project: str
    region: str
    functions: tuple[tuple[str, str], ...]
    deploy: tuple[str, ...] = ()
    reason: str = ""
    expected: Mapping[str, tuple[str, str | None]] = field(default_factory=dict)
    golden: tuple[Golden, ...] = ()
    shares: tuple[int, ...] = (5, 25, 50, 100)
    watch: float = 300.0
    ready: float = 300.0
    max_error_ratio: float = 0.01
    max_latency_factor: float = 2.0
    token_command: str | None = None
    inside: bool = False
    code: str | None = None

    @cached_property
    def services(self) -> tuple[str, ...]:
        """Sorted, so that of two rollouts of the same services one gets all locks."""
        return tuple(sorted(service for _, service in self.functions))

    def full_name(self, service: str) -> str:
        return f"projects/{self.project}/locations/{self.region}/services/{service}"

    def function(self, service: str) -> str:
        return next(function for function, name in self.functions if name == service)


def check_service(name: str) -> str:
    if not SERVICE.fullmatch(name):
        raise BadSetting("A service's name has lower-case letters, digits and hyphens, like churn-predict.")
    return name


def parse_serves(text: str) -> tuple[str, tuple[str, str | None]]:
    service, _, served = text.partition("=")
    model, slash, version = served.partition("/")
    if not model or (slash and not version):
        raise BadSetting("--serves takes SERVICE=MODEL or SERVICE=MODEL/VERSION, like churn-predict=churn/7.")
    return check_service(service), (model, version or None)


def parse_shares(text: str) -> tuple[int, ...]:
    try:
        shares = tuple(int(part) for part in text.split(","))
    except ValueError:
        shares = ()
    if not shares or shares[0] <= 0 or shares[-1] != 100 or sorted(set(shares)) != list(shares):
        raise BadSetting("--shares takes rising percents, the last one 100, like 5,25,50,100.")
    return shares
