"""The cost of a million predictions on Cloud Run, from measured figures and the published prices in prices.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PRICES = Path(__file__).with_name("prices.toml")
MILLION = 1_000_000
MIB_PER_GIB = 1024


@dataclass(frozen=True)
class Prices:
    """US dollars with request-based billing, without the free tier. `sizes` in MiB, `granularity` in seconds."""

    page: str
    recorded: str
    region: str
    vcpu_second: float
    gib_second: float
    million_requests: float
    granularity: float
    sizes: Sequence[int]

    def size(self, memory: float) -> int:
        """The least size in MiB that holds `memory` MiB. Raises ValueError if one vCPU cannot have that much."""
        fitting = [size for size in self.sizes if size >= memory]
        if not fitting:
            raise ValueError(f"{memory:.0f} MiB are more than one vCPU can have.")
        return min(fitting)

    def busy_cost(self, rate: float, memory: float, rows: int = 1) -> float:
        """Dollars for a million predictions if one vCPU serves `rate` requests per second of `rows` rows each."""
        return (MILLION / rate * self.second_cost(memory) + self.million_requests) / rows

    def sequential_cost(self, memory: float) -> float:
        """Dollars for a million requests that never overlap and take less than the granularity."""
        return MILLION * self.granularity * self.second_cost(memory) + self.million_requests

    def second_cost(self, memory: float) -> float:
        """Dollars per second of an instance with one vCPU."""
        return self.vcpu_second + self.size(memory) / MIB_PER_GIB * self.gib_second


def read_prices(path: Path = PRICES) -> Prices:
    found = tomllib.loads(path.read_text())
    sizes = found.pop("memory")["sizes"]
    return Prices(**found | {"recorded": str(found["recorded"]), "sizes": sizes})
