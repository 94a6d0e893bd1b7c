"""Progress on stderr: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TextIO

Advance = Callable[[int], object]


class Progress(Protocol):
    def say(self, text: str) -> None: ...

    @contextmanager
    def upload(self, total: int) -> Iterator[Advance]:
        """Yields a function to call with the bytes sent since the last call; negative when they are sent again."""
        ...

    @contextmanager
    def rows(self, total: int) -> Iterator[Advance]:
        """Yields a function to call with the rows scored since the last call."""
        ...


class Lines:
    """For a log: one line for each fifth."""

    STEPS = 5

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stderr

    def say(self, text: str) -> None:
        print(text, file=self.stream, flush=True)

    @contextmanager
    def upload(self, total: int) -> Iterator[Advance]:
        yield self._fifths(total, "uploaded {:,} of {:,} bytes")

    @contextmanager
    def rows(self, total: int) -> Iterator[Advance]:
        yield self._fifths(total, "scored {:,} of {:,} rows")

    def _fifths(self, total: int, text: str) -> Advance:
        done = last_step = 0

        def advance(size: int) -> None:
            nonlocal done, last_step
            done += size
            step = done * self.STEPS // max(total, 1)
            if step > last_step:
                last_step = step
                self.say(text.format(min(done, total), total))

        return advance


class Bar:
    """For a terminal. rich is imported only here."""

    def __init__(self) -> None:
        from rich.console import Console

        self.console = Console(stderr=True, highlight=False)

    def say(self, text: str) -> None:
        self.console.print(text, markup=False)

    @contextmanager
    def upload(self, total: int) -> Iterator[Advance]:
        from rich.progress import DownloadColumn, TransferSpeedColumn

        with self._bar("uploading", total, DownloadColumn(), TransferSpeedColumn()) as advance:
            yield advance

    @contextmanager
    def rows(self, total: int) -> Iterator[Advance]:
        from rich.progress import MofNCompleteColumn

        with self._bar("scoring", total, MofNCompleteColumn()) as advance:
            yield advance

    @contextmanager
    def _bar(self, name: str, total: int, *columns: Any) -> Iterator[Advance]:
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        shown = (TextColumn(name), BarColumn(), *columns, TimeRemainingColumn())
        with Progress(*shown, console=self.console) as bar:
            task = bar.add_task(name, total=total)
            yield lambda size: bar.advance(task, size)


def progress() -> Progress:
    return Bar() if sys.stderr.isatty() else Lines()
