"""How requests are shared out between the two sides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

Name = Literal["functions", "gke"]
NAMES: Final[tuple[Name, ...]] = get_args(Name)

FULL: Final = 1000  # the greatest weight that a URL map takes; Terraform writes 0 to 100


def opposite(name: Name) -> Name:
    return "functions" if name == "gke" else "gke"


@dataclass(frozen=True)
class Weights:
    """As the URL map has them: a side gets its weight's part of the sum."""

    functions: int
    gke: int

    @classmethod
    def giving(cls, name: Name, percent: int) -> Weights:
        rest = FULL - (weight := percent * FULL // 100)
        return cls(rest, weight) if name == "gke" else cls(weight, rest)

    def of(self, name: Name) -> int:
        return self.gke if name == "gke" else self.functions

    @property
    def total(self) -> int:
        return self.functions + self.gke

    def percent(self, name: Name) -> float:
        """Of all requests, to a tenth."""
        return round(100 * self.of(name) / self.total, 1)

    def same(self, other: Weights) -> bool:
        """Whether requests are shared out alike; 100 to 0 and 1000 to 0 are the same."""
        return self.gke * other.total == other.gke * self.total

    def gains(self, now: Weights) -> Name:
        """The side that gets more with these weights than it has `now`."""
        return "gke" if self.gke * now.total > now.gke * self.total else "functions"

    def __str__(self) -> str:
        return ", ".join(f"{name} {self.percent(name):g} %" for name in NAMES)
