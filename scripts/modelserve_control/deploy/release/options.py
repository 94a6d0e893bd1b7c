import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from modelserve.core.errors import BadSetting
from modelserve.store.names.locations import check_alias
from modelserve_control.compare.stats import thresholds
from modelserve_control.compare.stats.thresholds import Thresholds

CHALLENGER: Final = "challenger"
SUBSCRIPTION: Final = re.compile(r"projects/[^/]+/subscriptions/[^/]+")


@dataclass(frozen=True)
class ReleaseOptions:
    """`urls` are running services that answer with the alias. Times in seconds; `shadow` None: no shadowing."""

    name: str
    version: str
    store: str
    data: str
    thresholds: Path
    alias: str = "champion"
    by: str | None = None
    target: str | None = None
    urls: tuple[str, ...] = ()
    arrive: float = 120.0
    watch: float = 60.0
    max_error_ratio: float = 0.0
    token_command: str | None = None
    trust: str = "strict"
    reason: str = ""
    shadow: float | None = None
    shadow_subscription: str | None = None
    shadow_answers: int = 100

    def check(self) -> None:
        if check_alias(self.alias) == CHALLENGER:
            raise BadSetting(f"A release uses the alias {CHALLENGER} itself; name another one with --alias.")
        self.limits()
        if (self.shadow is None) != (self.shadow_subscription is None):
            raise BadSetting("--shadow and --shadow-subscription must be given together.")
        if self.shadow_subscription is not None and not SUBSCRIPTION.fullmatch(self.shadow_subscription):
            raise BadSetting("--shadow-subscription must be projects/P/subscriptions/S.")

    def limits(self) -> Thresholds:
        return thresholds.read(self.thresholds, self.by, self.target) or Thresholds()
