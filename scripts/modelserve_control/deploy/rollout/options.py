import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
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

    def golden_for(self, service: str) -> tuple[Golden, ...]:
        """Those of its model; none for `predict_event`, which would publish the answers."""
        model, _ = self.expected.get(service, (None, None))
        of_model = tuple(one for one in self.golden if one.model in (None, model))
        return of_model if self.function(service) == PREDICT else ()


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


def parse_expected(serves: Sequence[str]) -> dict[str, tuple[str, str | None]]:
    found = [parse_serves(text) for text in serves]
    if twice := find_repeated(service for service, _ in found):
        raise BadSetting(f"--serves names {twice} twice: name the model of each service once.")
    return dict(found)


def check_services(options: RolloutOptions) -> None:
    """Raises BadSetting if a requested check would be left out."""
    if twice := find_repeated(options.services):
        raise BadSetting(f"--predict and --predict-event name {twice} twice: name each service once.")
    if unknown := options.expected.keys() - set(options.services):
        raise BadSetting(
            f"--serves names {min(unknown)}, which is not among the services: name it with --predict or --predict-event."
        )
    missing = set(options.services) - options.expected.keys()
    if options.expected and missing:
        raise BadSetting(f"--serves does not name {min(missing)}: name the model of every service, or of none.")
    sent = [golden for service in options.services for golden in options.golden_for(service)]
    for number, golden in enumerate(options.golden, 1):
        if golden not in sent:
            whose = f", and {golden.model} as its model with --serves" if golden.model else ""
            raise BadSetting(
                f"Golden request {number} is for no service: name one with --predict{whose}, or delete the request."
            )


def find_repeated(names: Iterable[str]) -> str | None:
    return next((name for name, count in Counter(names).items() if count > 1), None)


def parse_shares(text: str) -> tuple[int, ...]:
    try:
        shares = tuple(int(part) for part in text.split(","))
    except ValueError:
        shares = ()
    if not shares or shares[0] <= 0 or shares[-1] != 100 or sorted(set(shares)) != list(shares):
        raise BadSetting("--shares takes rising percents, the last one 100, like 5,25,50,100.")
    return shares
