"""What a million predictions cost on Cloud Run, from measured figures and the published prices in prices.toml."""

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
    """US dollars, beyond the free tier, with request-based billing. `sizes` in MiB, `granularity` in seconds."""

    page: str
    recorded: str
    region: str
    vcpu_second: float
    gib_second: float
    million_requests: float
    granularity: float
    sizes: Sequence[int]

    def size(self, memory: float) -> int:
        """MiB: the least size that holds `memory` MiB. Raises ValueError when none with one vCPU does."""
        fitting = [size for size in self.sizes if size >= memory]
        if not fitting:
            raise ValueError(f"{memory:.0f} MiB are more than one vCPU may have.")
        return min(fitting)

    def busy(self, rate: float, memory: float, rows: int = 1) -> float:
        """Dollars for a million predictions, `rows` in each of the `rate` requests that one vCPU serves a second."""
        return (MILLION / rate * self.second(memory) + self.million_requests) / rows

    def alone(self, memory: float) -> float:
        """Dollars for a million requests that never overlap and are shorter than the granularity."""
        return MILLION * self.granularity * self.second(memory) + self.million_requests

    def second(self, memory: float) -> float:
        """Dollars for one second of an instance with one vCPU."""
        return self.vcpu_second + self.size(memory) / MIB_PER_GIB * self.gib_second


def read(path: Path = PRICES) -> Prices:
    found = tomllib.loads(path.read_text())
    sizes = found.pop("memory")["sizes"]
    return Prices(**found | {"recorded": str(found["recorded"]), "sizes": sizes})
