"""Pairs the chunks of both sides, and counts them for all rows and for each segment."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from modelserve_control.common.errors import NothingCompared, ValidationFailed
from modelserve_control.common.progress import Progress
from modelserve_control.compare.sides.sides import Side
from modelserve_control.compare.sides.wire import Description, ScoredChunk
from modelserve_control.compare.stats import contract
from modelserve_control.compare.stats.pairs import build_pairs
from modelserve_control.compare.stats.segments import Segments
from modelserve_control.compare.stats.tally import Mask, Reasons, Tally
from modelserve_control.compare.stats.target import Target

Sides = tuple[Side, Side]


class Count:
    def __init__(self, classifies: bool) -> None:
        self.classifies = classifies
        self.total = Tally()
        self.parts: dict[str, Tally] = {}
        self.reasons = (Reasons(), Reasons())
        self.seconds = [0.0, 0.0]

    def add(self, scored: Sequence[ScoredChunk], segments: Mapping[str, Mask]) -> None:
        start, rows = self.total.rows, len(scored[0].outcomes)
        refused = [
            {row: outcome for row, outcome in enumerate(side.outcomes) if isinstance(outcome, str)} for side in scored
        ]
        for reasons, found in zip(self.reasons, refused, strict=True):
            reasons.add({start + row: reason for row, reason in found.items()})
        masks = [np.isin(np.arange(rows), list(found)) for found in refused]
        both = np.flatnonzero(~masks[0] & ~masks[1])
        found_pairs = list(build_pairs(results(scored[0], both), results(scored[1], both), self.classifies))
        parts = [(self.parts.setdefault(name, Tally()), mask) for name, mask in segments.items()]
        for tally, mask in ((self.total, np.ones(rows, dtype=bool)), *parts):
            tally.count(masks[0], masks[1], mask)
            for place, side in enumerate(scored):
                tally.alone[place].extend(seconds for row, seconds in side.alone.items() if mask[row])
            for pair in found_pairs:
                tally.add(pair, both + start, mask[both])
        self.seconds = [before + side.seconds for before, side in zip(self.seconds, scored, strict=True)]

    def check(self) -> None:
        if self.total.compared and not (self.total.labels or self.total.numbers):
            raise NothingCompared("The answers of A and B have nothing in common.")
        if not self.total.compared:
            sides = zip("AB", self.reasons, strict=True)
            why = [
                f" {letter} refuses with: {side.counts.most_common(1)[0][0]}." for letter, side in sides if side.counts
            ]
            raise NothingCompared(f"Of {self.total.rows} rows none was scored by both.{''.join(why)}")


def count_rows(
    known: tuple[Description, Description],
    sides: Sides,
    segments: Segments,
    target: Target,
    method: str | None,
    progress: Progress,
) -> dict[str, Any]:
    labels = method in (None, "predict") and any(side.classes is not None for side in known)
    count = Count(labels)
    with progress.count("rows", known[0].file_rows) as advance:
        for scored in score_chunks(sides):
            count.add(scored, segments.next())
            target.add(scored)
            advance(len(scored[0].outcomes))
    count.check()
    return count.total.result() | {
        "a": describe(known[0], count, 0),
        "b": describe(known[1], count, 1),
        "by": segments.column,
        "target": target.result(labels, known[1].presentation.get("positive_class")),
        "schema": contract.find_changes(*known),
        "segments": [{"value": name} | part.result() for name, part in sorted(count.parts.items())],
    }


def score_chunks(sides: Sides) -> Iterator[tuple[ScoredChunk, ScoredChunk]]:
    """The sides take turns in going first, so that warm caches favour neither."""
    turn = 0
    while True:
        found = {place: sides[place].score_next() for place in ((0, 1), (1, 0))[turn % 2]}
        if len(found[0].outcomes) != len(found[1].outcomes):
            raise ValidationFailed("A and B read different numbers of rows: the data was changed meanwhile.")
        if not found[0].outcomes:
            return
        yield found[0], found[1]
        turn += 1


def describe(side: Description, count: Count, place: int) -> dict[str, Any]:
    seconds = count.seconds[place]
    return {
        "name": side.name,
        "version": side.version,
        "runtime": side.runtime,
        "rows_per_second": round(count.total.rows / seconds) if seconds else None,
        **count.reasons[place].result(),
    }


def results(side: ScoredChunk, rows: Iterable[int]) -> list[dict[str, Any]]:
    return [outcome for row in rows if not isinstance(outcome := side.outcomes[row], str)]
