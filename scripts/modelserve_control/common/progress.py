"""Progress on stderr: a bar on a terminal, plain lines elsewhere."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, Protocol, TextIO

Advance = Callable[[int], object]
Counted = Literal["bytes", "rows"]


class Progress(Protocol):
    def say(self, text: str) -> None: ...

    @contextmanager
    def count(self, what: Counted, total: int) -> Iterator[Advance]:
        """Yields a function to call with the bytes sent or rows scored since the last call; negative when bytes are sent
        again."""
        ...


class Lines:
    STEPS = 5

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stderr

    def say(self, text: str) -> None:
        print(text, file=self.stream, flush=True)

    @contextmanager
    def count(self, what: Counted, total: int) -> Iterator[Advance]:
        done = last_step = 0
        verb = "uploaded" if what == "bytes" else "scored"

        def advance(size: int) -> None:
            nonlocal done, last_step
            done += size
            step = done * self.STEPS // max(total, 1)
            if step > last_step:
                last_step = step
                self.say(f"{verb} {min(done, total):,} of {total:,} {what}")

        yield advance


class Bar:
    """For a terminal. rich is imported only here."""

    def __init__(self) -> None:
        from rich.console import Console

        self.console = Console(stderr=True, highlight=False)

    def say(self, text: str) -> None:
        self.console.print(text, markup=False)

    @contextmanager
    def count(self, what: Counted, total: int) -> Iterator[Advance]:
        from rich import progress as rich

        name = "uploading" if what == "bytes" else "scoring"
        sizes = (rich.DownloadColumn(), rich.TransferSpeedColumn()) if what == "bytes" else (rich.MofNCompleteColumn(),)
        columns = (rich.TextColumn(name), rich.BarColumn(), *sizes, rich.TimeRemainingColumn())
        with rich.Progress(*columns, console=self.console) as bar:
            task = bar.add_task(name, total=total)
            yield lambda size: bar.advance(task, size)


def progress() -> Progress:
    return Bar() if sys.stderr.isatty() else Lines()
