"""How requests are shared out between the two sides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

Name = Literal["functions", "gke"]
NAMES: Final[tuple[Name, ...]] = get_args(Name)

MAX_WEIGHT: Final = 1000  # of a URL map; Terraform writes 0 to 100


def other_side(name: Name) -> Name:
    return "functions" if name == "gke" else "gke"


@dataclass(frozen=True)
class Weights:
    functions: int
    gke: int

    @classmethod
    def with_percent(cls, name: Name, percent: int) -> Weights:
        rest = MAX_WEIGHT - (weight := percent * MAX_WEIGHT // 100)
        return cls(rest, weight) if name == "gke" else cls(weight, rest)

    def of(self, name: Name) -> int:
        return self.gke if name == "gke" else self.functions

    @property
    def total(self) -> int:
        return self.functions + self.gke

    def percent(self, name: Name) -> float:
        """The percentage of all requests, to a tenth."""
        return round(100 * self.of(name) / self.total, 1)

    def equals(self, other: Weights) -> bool:
        """Whether the shares are the same, as they are with 100 to 0 and 1000 to 0."""
        return self.gke * other.total == other.gke * self.total

    def gaining_side(self, now: Weights) -> Name:
        return "gke" if self.gke * now.total > now.gke * self.total else "functions"

    def __str__(self) -> str:
        return ", ".join(f"{name} {self.percent(name):g} %" for name in NAMES)
