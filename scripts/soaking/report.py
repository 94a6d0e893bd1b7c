"""The report of a soak, and its findings."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

from soaking.load import Observations
from soaking.models import FACTORS
from soaking.watch import Growth, Watch, growth

WARM_SHARE: Final = 0.5  # of the time, in which caches fill
MAX_MORE_DESCRIPTORS, MAX_MORE_THREADS = 4, 2  # requests in progress need some
MAX_GROWTH_KIB: Final = 4 << 10  # noise, in the rest of the time


@dataclass(frozen=True)
class Report:
    seen: Observations
    watch: Watch
    faults: Counter[str]
    seconds: float

    def growths(self) -> dict[str, Growth]:
        return {name: growth(moments, WARM_SHARE) for name, moments in self.watch.moments.items()}

    def findings(self) -> list[str]:
        """Empty if all is well."""
        seen = self.seen
        found = [f"{count} requests failed: {cause}" for cause, count in sorted(seen.failed.items())]
        if seen.wrong:
            found.append(f"{seen.wrong} answers were wrong")
        if len(seen.events) != seen.published:
            found.append(f"{seen.published} predictions were published and {len(seen.events)} arrived")
        if missing := sorted(set(FACTORS) - set(seen.versions)):
            found.append(f"version {', '.join(missing)} gave no answer")
        found += [f"{name} ended" for name in self.watch.ended]
        for name, one in self.growths().items():
            if one.descriptors > MAX_MORE_DESCRIPTORS:
                found.append(f"{name} has {one.descriptors} more descriptors")
            if one.threads > MAX_MORE_THREADS:
                found.append(f"{name} has {one.threads} more threads")
            if one.kib > MAX_GROWTH_KIB:
                found.append(f"{name} grows by {one.slope:.0f} KiB per minute")
        return found

    def text(self) -> str:
        seen = self.seen
        total = sum(seen.requests.values())
        lines = [
            f"{self.seconds:.0f} s, {total} requests, {seen.flips} moves of the alias, "
            f"{sum(seen.versions.values())} answers compared, {seen.wrong} wrong, {sum(seen.failed.values())} failed",
            "requests: " + format_counts(seen.requests),
            "answers by version: " + format_counts(seen.versions),
            f"events: {seen.published} predictions published, {len(seen.events)} arrived, {seen.dead_letters} dead letters",
            "store: " + format_counts(self.faults),
            "",
            f"{'process':20} {'own memory, MiB':>16} {'slope, KiB/min':>15} {'descriptors':>12} {'threads':>9}",
        ]
        for name, one in self.growths().items():
            memory = f"{one.first.kib / 1024:.1f} -> {one.last.kib / 1024:.1f}"
            descriptors = f"{one.first.descriptors} -> {one.last.descriptors}"
            threads = f"{one.first.threads} -> {one.last.threads}"
            lines.append(f"{name:20} {memory:>16} {one.slope:15.0f} {descriptors:>12} {threads:>9}")
        findings = self.findings()
        lines += ["", *findings, *seen.examples] if findings else ["", "0 wrong, 0 failed, nothing grows"]
        return "\n".join(lines)


def format_counts(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items(), key=lambda item: str(item[0])))
