"""Who scores the parts on one machine: this process, or a pool of processes with a model each.

A process is started as `python -m modelserve_control.batch.parts.workers`. It reads a job and then parts from stdin, one JSON document
a line, and writes the counts of each to stdout. It ends with its starter.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from queue import SimpleQueue
from typing import Any

import pyarrow as pa

from modelserve.core.errors import ServeError
from modelserve.core.memory import collect_seldom
from modelserve_control.batch.models import keep_pandas_out
from modelserve_control.batch.parts.part import Job, Part, PartScorer, open_scorer
from modelserve_control.batch.writing import Counts
from modelserve_control.common import processes
from modelserve_control.common.mlflow_settings import silence
from modelserve_control.common.output import terminate_as_interrupt
from modelserve_control.common.progress import Lines, Progress

# A model's libraries have a thread for each processor otherwise, and each processor a process.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class PartFailed(ServeError):
    """A process could not score a part. The message is its own."""

    code = "PART_FAILED"


def run_here(scorer: PartScorer, job: Job, parts: Sequence[Part], progress: Progress) -> Iterator[tuple[Part, Counts]]:
    with progress.count("rows", sum(part.rows for part in parts)) as advance:
        for part in parts:
            yield part, scorer.score(part, advance)


def run_processes(count: int, job: Job, parts: Sequence[Part], progress: Progress) -> Iterator[tuple[Part, Counts]]:
    """In the order in which they are finished."""
    running = [start(job) for _ in range(min(count, len(parts)))]
    idle: SimpleQueue[subprocess.Popen[str]] = SimpleQueue()
    for process in running:
        idle.put(process)
    pool = ThreadPoolExecutor(max(1, len(running)))
    try:
        with progress.count("rows", sum(part.rows for part in parts)) as advance:
            waiting = {pool.submit(partial(score_elsewhere, idle, part)): part for part in parts}
            for future in as_completed(waiting):
                counts = future.result()
                advance(counts.rows)
                yield waiting[future], counts
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in running:
            process.kill()
            process.communicate()


def start(job: Job) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [*processes.launcher(), *processes.module("modelserve_control.batch.parts.workers")],
        env=processes.with_sources(os.environ) | ONE_THREAD,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    send(process, asdict(job))
    return process


def send(process: subprocess.Popen[str], document: Any) -> None:
    assert process.stdin is not None  # noqa: S101 - it was started with a pipe
    with suppress(BrokenPipeError):  # what it has to say about its end is read
        process.stdin.write(json.dumps(document) + "\n")
        process.stdin.flush()


def score_elsewhere(idle: SimpleQueue[subprocess.Popen[str]], part: Part) -> Counts:
    process = idle.get()
    send(process, asdict(part))
    assert process.stdout is not None  # noqa: S101 - it was started with a pipe
    line = process.stdout.readline()
    if not line:
        raise PartFailed(f"The process that scored {part.address} ended with status {process.wait()}.")
    answer = json.loads(line)
    if "error" in answer:
        raise PartFailed(answer["error"])
    idle.put(process)
    return Counts.from_json(answer)


def main() -> None:
    collect_seldom()
    terminate_as_interrupt()  # removes temporary files, as Ctrl-C does
    # What a model prints must not get between two answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    logging.getLogger("modelserve.models.scorers.batching").setLevel(logging.CRITICAL)
    pa.set_cpu_count(1)
    with suppress(KeyboardInterrupt), silence():
        for answer in answer_parts():
            print(json.dumps(answer), file=answers, flush=True)


def answer_parts() -> Iterator[dict[str, Any]]:
    job = Job(**json.loads(sys.stdin.readline()))
    try:
        with open(os.devnull, "w") as nothing, open_scorer(job, Lines(nothing)) as scorer:
            keep_pandas_out(scorer.scorer.loaded)
            for line in sys.stdin:
                yield scorer.score(Part(**json.loads(line))).as_json()
    except ServeError as error:
        yield {"error": error.message}


if __name__ == "__main__":
    main()
