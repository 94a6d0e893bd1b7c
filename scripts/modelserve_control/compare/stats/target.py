"""Both sides against the truth: a column of the data that says what each answer should have been."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from modelserve_control.batch.files.chunks import Chunk
from modelserve_control.compare.sides.wire import ScoredChunk
from modelserve_control.compare.stats.segments import open_column

GAINS: Final = ("auc", "accuracy", "precision", "recall")  # more is better
RATIOS: Final = ("rmse", "mae", "log_loss")  # less is better


def read_values(chunks: Iterable[Chunk], column: str) -> Iterator[list[Any]]:
    """Rows that cannot be read are None."""
    for chunk in chunks:
        values = iter(chunk.table.columns.get(column, ()))
        yield [None if row in chunk.bad else next(values, None) for row in range(chunk.rows)]


class Target:
    """Keeps the truth and both answers of every row."""

    def __init__(self, source: Path, column: str | None, size: int) -> None:
        self.column = column
        self.values: Iterator[list[Any]] = iter(())
        self.truth: list[Any] = []
        self.results: tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]] = ([], [])
        if column is not None:
            self.values = read_values(open_column(source, column, "--target").chunks(size), column)

    def add(self, scored: Sequence[ScoredChunk]) -> None:
        if self.column is None:
            return
        self.truth += next(self.values)
        for kept, side in zip(self.results, scored, strict=True):
            kept += [{} if isinstance(outcome, str) else outcome for outcome in side.outcomes]

    def result(self, classifies: bool, positive: str | None) -> dict[str, Any] | None:
        """The figures of A and B over the rows that both have answered, and what B has gained."""
        if self.column is None:
            return None
        from modelserve_control.monitor.stats.answers import collect_answers
        from modelserve_control.monitor.stats.quality import measure

        both = [row for row, pair in enumerate(zip(*self.results, strict=True)) if all(pair)]
        truth = [self.truth[row] for row in both]
        sides = [
            measure(truth, collect_answers([found[row] for row in both]), positive, classifies)
            for found in self.results
        ]
        return {"column": self.column, "a": sides[0], "b": sides[1], **gains(sides[0]["figures"], sides[1]["figures"])}


def gains(a: Mapping[str, float | None], b: Mapping[str, float | None]) -> dict[str, dict[str, float]]:
    """`gain`: B - A where more is better; `ratio`: B / A where less is better. Figures that one side lacks are left out."""
    gain = {name: after - before for name in GAINS if (pair := both(a, b, name)) for before, after in [pair]}
    ratio = {
        name: after / before if before else (1.0 if not after else float("inf"))
        for name in RATIOS
        if (pair := both(a, b, name))
        for before, after in [pair]
    }
    return {"gain": gain, "ratio": ratio}


def both(a: Mapping[str, float | None], b: Mapping[str, float | None], name: str) -> tuple[float, float] | None:
    before, after = a.get(name), b.get(name)
    return None if before is None or after is None else (before, after)
