"""The process of one side: `python -m modelserve_control.compare.sides.worker`, spoken to over its stdin and stdout.

Each model has a process of its own: one that crashes, leaks or changes its process does not touch the other, and each
has the threads and the memory that it would have as a function.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

from modelserve.core.errors import ModelFailed, ServeError, body
from modelserve.events.records import rows_of
from modelserve_control.batch import table_files
from modelserve_control.batch.chunks import Chunk
from modelserve_control.batch.row_results import Outcome
from modelserve_control.compare.sides.subject import Subject, loaded
from modelserve_control.compare.sides.wire import Channel, Described, Failed, Job, Next, Scored

# How many rows are also scored one by one, and for how long at most, in seconds: enough for a 99th percentile, and soon
# over where a model is slow.
ALONE_ROWS, ALONE_IN_CHUNK, ALONE_SECONDS = 1_000, 250, 3.0


def subject(job: Job) -> AbstractContextManager[Subject]:
    if job.service:
        from modelserve_control.compare.sides.service import opened

        return opened(job.address, job.token_command, job.method)
    return loaded(job.address, job.trust, job.method)


class Timer:
    """Scores rows spread over each chunk one by one, until there were enough of them."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.rows = ALONE_ROWS
        self.seconds = ALONE_SECONDS

    def times(self, chunk: Chunk, outcomes: list[Outcome]) -> dict[int, float]:
        decoded = [row for row in range(chunk.rows) if row not in chunk.bad]
        good = [(place, row) for place, row in enumerate(decoded) if not isinstance(outcomes[row], str)]
        times: dict[int, float] = {}
        for place, row in good[:: -(-len(good) // ALONE_IN_CHUNK) or 1]:
            if self.rows <= 0 or self.seconds <= 0:
                break
            with suppress(ModelFailed):  # what it does among others, a model need not do alone
                times[row] = self.subject.alone(rows_of(chunk.table, [place]))
            self.rows, self.seconds = self.rows - 1, self.seconds - times.get(row, 0.0)
        return times


def serve(channel: Channel, job: Job) -> None:
    with subject(job) as found:
        file = table_files.opened(Path(job.source), found.signature)
        # A column that is missing is missing in every row: that is no reason for a row but for the file.
        found.check(file.header())
        channel.send(described(found.document(), file.count()))
        timer = Timer(found)
        for chunk in file.chunks(job.rows):
            channel.receive(Next)
            started = time.perf_counter()
            outcomes = found.outcomes(chunk)
            seconds = time.perf_counter() - started
            channel.send(Scored(outcomes, seconds, timer.times(chunk, outcomes)))
        channel.receive(Next)
        channel.send(Scored([]))


def described(document: dict[str, Any], rows: int) -> Described:
    known = {name: document[name] for name in ("name", "version", "runtime", "classes", "signature", "presentation")}
    return Described(**known, methods=document["predict_methods"], file_rows=rows)


def main() -> None:
    # Its files are removed on the way out, as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        run()
        # Nothing is left to remove, and an interrupt of the interpreter's own end would show a traceback.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    except (EOFError, KeyboardInterrupt):
        sys.exit(1)  # the command has ended


def run() -> None:
    # What the model prints must not stand between two messages.
    channel = Channel(os.dup(sys.stdin.fileno()), os.dup(sys.stdout.fileno()))
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    # Each failed call logs a traceback, and there is one for every part in which a raising row is looked for.
    logging.getLogger("modelserve.models.scorers.batching").setLevel(logging.CRITICAL)
    try:
        serve(channel, channel.receive(Job))
    except ServeError as error:
        channel.send(Failed(body(error, "")))


if __name__ == "__main__":
    main()
