"""What happens, told on stderr: a bar on a terminal, plain lines elsewhere, so that stdout holds only the result."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TextIO

Advance = Callable[[int], object]


class Progress(Protocol):
    def say(self, text: str) -> None:
        """One step of the way, for a person."""
        ...

    @contextmanager
    def upload(self, total: int) -> Iterator[Advance]:
        """Call what comes back with the bytes that went since the last call; negative when they go again."""
        ...

    @contextmanager
    def rows(self, total: int) -> Iterator[Advance]:
        """Call what comes back with the rows that were judged since the last call."""
        ...


class Lines:
    """For a log: one line at each fifth of the way."""

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
        yield self._fifths(total, "judged {:,} of {:,} rows")

    def _fifths(self, total: int, text: str) -> Advance:
        done = said = 0

        def advance(size: int) -> None:
            nonlocal done, said
            done += size
            step = done * self.STEPS // max(total, 1)
            if step > said:
                said = step
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
        from rich import progress

        columns = (
            progress.TextColumn("uploading"),
            progress.BarColumn(),
            progress.DownloadColumn(),
            progress.TransferSpeedColumn(),
            progress.TimeRemainingColumn(),
        )
        with progress.Progress(*columns, console=self.console) as bar:
            task = bar.add_task("uploading", total=total)
            yield lambda size: bar.advance(task, size)

    @contextmanager
    def rows(self, total: int) -> Iterator[Advance]:
        from rich import progress

        columns = (
            progress.TextColumn("scoring"),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TimeRemainingColumn(),
        )
        with progress.Progress(*columns, console=self.console) as bar:
            task = bar.add_task("scoring", total=total)
            yield lambda size: bar.advance(task, size)


def progress() -> Progress:
    return Bar() if sys.stderr.isatty() else Lines()
