"""The chunks of both sides, one after the other: paired, and added to what is known of all rows and of each segment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from modelserve_control.common.errors import NothingCompared, ValidationFailed
from modelserve_control.common.progress import Progress
from modelserve_control.compare.sides.sides import Side
from modelserve_control.compare.sides.wire import Described, Scored
from modelserve_control.compare.stats import contract
from modelserve_control.compare.stats.pairs import pairs
from modelserve_control.compare.stats.segments import Segments
from modelserve_control.compare.stats.tally import Mask, Reasons, Tally

Sides = tuple[Side, Side]


class Count:
    """`classifies`: see `pairs`."""

    def __init__(self, classifies: bool) -> None:
        self.classifies = classifies
        self.total = Tally()
        self.parts: dict[str, Tally] = {}
        self.reasons = (Reasons(), Reasons())
        self.seconds = [0.0, 0.0]

    def add(self, scored: Sequence[Scored], segments: Mapping[str, Mask]) -> None:
        start, rows = self.total.rows, len(scored[0].outcomes)
        refused = [refusals(side) for side in scored]
        for reasons, found in zip(self.reasons, refused, strict=True):
            reasons.add({start + row: reason for row, reason in found.items()})
        masks = [mask_of(found, rows) for found in refused]
        both = np.flatnonzero(~masks[0] & ~masks[1])
        found_pairs = list(pairs(answers(scored[0], both), answers(scored[1], both), self.classifies))
        for tally, mask in ((self.total, np.ones(rows, dtype=bool)), *self.grouped(segments)):
            tally.count(masks[0], masks[1], mask)
            for place, side in enumerate(scored):
                tally.alone[place].extend(seconds for row, seconds in side.alone.items() if mask[row])
            for pair in found_pairs:
                tally.add(pair, both + start, mask[both])
        self.seconds = [before + side.seconds for before, side in zip(self.seconds, scored, strict=True)]

    def grouped(self, segments: Mapping[str, Mask]) -> list[tuple[Tally, Mask]]:
        return [(self.parts.setdefault(name, Tally()), mask) for name, mask in segments.items()]

    def check(self) -> None:
        """Raises NothingCompared: a gate may not take silence for agreement."""
        if self.total.compared and not (self.total.labels or self.total.numbers):
            raise NothingCompared("The answers of A and B have no part in common.")
        if not self.total.compared:
            sides = zip("AB", self.reasons, strict=True)
            why = [f" {letter} refuses with: {side.commonest}." for letter, side in sides if side.counts]
            raise NothingCompared(f"Of {self.total.rows} rows none was scored by both.{''.join(why)}")


def counted(
    known: tuple[Described, Described], sides: Sides, segments: Segments, method: str | None, progress: Progress
) -> dict[str, Any]:
    """Raises NothingCompared, and what a side fails with."""
    labels = method in (None, "predict") and any(side.classes is not None for side in known)
    count = Count(labels)
    with progress.rows(known[0].file_rows) as advance:
        for scored in chunks(sides):
            count.add(scored, segments.next())
            advance(len(scored[0].outcomes))
    count.check()
    return count.total.result() | {
        "a": described(known[0], count, 0),
        "b": described(known[1], count, 1),
        "by": segments.column,
        "schema": contract.changes(*known),
        "segments": [{"value": name} | part.result() for name, part in sorted(count.parts.items())],
    }


def chunks(sides: Sides) -> Iterator[tuple[Scored, Scored]]:
    """What both answered to each chunk. They take turns in going first: neither always finds the processor warm."""
    turn = 0
    while True:
        found = {place: sides[place].next() for place in ((0, 1), (1, 0))[turn % 2]}
        if len(found[0].outcomes) != len(found[1].outcomes):
            raise ValidationFailed("A and B read another number of rows; the data was changed meanwhile.")
        if not found[0].outcomes:
            return
        yield found[0], found[1]
        turn += 1


def described(side: Described, count: Count, place: int) -> dict[str, Any]:
    seconds = count.seconds[place]
    return {
        "name": side.name,
        "version": side.version,
        "runtime": side.runtime,
        "rows_per_second": round(count.total.rows / seconds) if seconds else None,
        **count.reasons[place].result(),
    }


def answers(side: Scored, rows: Iterable[int]) -> list[dict[str, Any]]:
    return [outcome for row in rows if not isinstance(outcome := side.outcomes[row], str)]


def refusals(side: Scored) -> dict[int, str]:
    return {row: outcome for row, outcome in enumerate(side.outcomes) if isinstance(outcome, str)}


def mask_of(places: Mapping[int, str], rows: int) -> Mask:
    mask = np.zeros(rows, dtype=bool)
    mask[list(places)] = True
    return mask
