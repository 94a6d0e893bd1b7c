"""The process of one side: `python -m modelserve_control.compare.sides.worker`. Its messages use stdin and stdout.

Each model has its own process, so that a crash or a leak does not affect the other, and each has the threads and the memory
of a function.
"""

import logging
import os
import signal
import sys
import time
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path

from modelserve.core.errors import ModelFailed, ServeError, body
from modelserve.core.memory import collect_seldom
from modelserve.schema.batch import select_rows
from modelserve_control.batch.files import table_files
from modelserve_control.batch.files.chunks import Chunk
from modelserve_control.batch.rows.row_results import Outcome
from modelserve_control.compare.sides.subject import Subject, load_model
from modelserve_control.compare.sides.wire import Begin, Channel, Description, Failure, NextChunk, ScoredChunk

# Limits of scoring rows alone: enough rows for a 99th percentile, and not too long for slow models.
MAX_ROWS, MAX_ROWS_OF_CHUNK, MAX_SECONDS = 1_000, 250, 3.0


def open_subject(begin: Begin) -> AbstractContextManager[Subject]:
    if begin.is_service:
        from modelserve_control.compare.sides.service import connect

        return connect(begin.address, begin.token_command, begin.method)
    return load_model(begin.address, begin.trust, begin.method)


@dataclass
class Timer:
    subject: Subject
    rows: int = MAX_ROWS
    seconds: float = MAX_SECONDS

    def time_rows(self, chunk: Chunk, outcomes: list[Outcome]) -> dict[int, float]:
        decoded = [row for row in range(chunk.rows) if row not in chunk.bad]
        good = [(place, row) for place, row in enumerate(decoded) if not isinstance(outcomes[row], str)]
        times: dict[int, float] = {}
        for place, row in good[:: -(-len(good) // MAX_ROWS_OF_CHUNK) or 1]:
            if self.rows <= 0 or self.seconds <= 0:
                break
            with suppress(ModelFailed):  # a model may fail on a row alone that it scores among others
                times[row] = self.subject.time_row(select_rows(chunk.table, [place]))
            self.rows, self.seconds = self.rows - 1, self.seconds - times.get(row, 0.0)
        return times


def serve(channel: Channel, begin: Begin) -> None:
    with open_subject(begin) as subject:
        file = table_files.open_table(Path(begin.source), subject.signature)
        subject.check(file.header())  # a missing column is an error of the file, not of each row
        document = subject.document()
        known = {key: document[key] for key in ("name", "version", "runtime", "classes", "signature", "presentation")}
        channel.send(Description(**known, methods=document["predict_methods"], file_rows=file.count()))
        timer = Timer(subject)
        for chunk in file.chunks(begin.rows):
            channel.receive(NextChunk)
            started = time.perf_counter()
            outcomes = subject.outcomes(chunk)
            seconds = time.perf_counter() - started
            channel.send(ScoredChunk(outcomes, seconds, timer.time_rows(chunk, outcomes)))
        channel.receive(NextChunk)
        channel.send(ScoredChunk([]))


def main() -> None:
    collect_seldom()
    # Temporary files are removed, as with Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        run()
        # An interrupt while the interpreter ends would print a traceback.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    except (EOFError, KeyboardInterrupt):
        sys.exit(1)  # the command has ended


def run() -> None:
    # What the model prints must not get between two messages.
    channel = Channel(os.dup(sys.stdin.fileno()), os.dup(sys.stdout.fileno()))
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    # Finding the rows that a model fails on takes many failed calls, and each logs a traceback.
    logging.getLogger("modelserve.models.scorers.batching").setLevel(logging.CRITICAL)
    try:
        serve(channel, channel.receive(Begin))
    except ServeError as error:
        channel.send(Failure(body(error, "")))


if __name__ == "__main__":
    main()
