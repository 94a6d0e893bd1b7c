"""The counts of many comparisons."""

from __future__ import annotations

import sys

import msgspec

from modelserve.payloads.differences import FLIP, FORM, Comparison


class Tally(msgspec.Struct, kw_only=True):
    """Counts of the answers of one version, compared with those of one challenger. They only grow."""

    compared: int = 0
    differing: int = 0
    flips: int = 0  # labels; a row may have several
    greatest: float = 0.0  # the greatest distance of two numbers that are no labels
    rows: int = 0  # with a label
    flipped: int = 0  # rows
    forms: int = 0  # answers of another form
    errors: dict[str, int] = msgspec.field(default_factory=dict)  # answers that the challenger did not give, by code

    @property
    def failed(self) -> int:
        return sum(self.errors.values())

    @property
    def seen(self) -> int:
        return self.compared + self.failed

    def add(self, found: Comparison) -> None:
        self.compared += 1
        self.differing += bool(found.counts)
        self.flips += found.counts[FLIP]
        self.greatest = max(self.greatest, min(found.greatest, sys.float_info.max))  # JSON has no infinity
        self.rows += found.rows
        self.flipped += found.flipped
        self.forms += bool(found.counts[FORM])

    def fail(self, code: str) -> None:
        self.errors[code] = self.errors.get(code, 0) + 1

    def merge(self, other: Tally) -> None:
        for name in ("compared", "differing", "flips", "rows", "flipped", "forms"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.greatest = max(self.greatest, other.greatest)
        for code, count in other.errors.items():
            self.errors[code] = self.errors.get(code, 0) + count
