"""Many files into a directory or under a prefix: parts, each whole or not there, and `_SUCCESS` after the last."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from modelserve.core.errors import MalformedRequest, ServeError
from modelserve.store.buckets.local import PRIVATE
from modelserve.store.buckets.objects import ObjectInfo, Objects
from modelserve_control.batch.files.table_files import BUCKET, OutputExists
from modelserve_control.batch.parts.part import Job, Part, open_output, read_footer
from modelserve_control.batch.writing import Counts, TooManyErrors
from modelserve_control.common.progress import Progress

SUCCESS: Final = "_SUCCESS"


class OutputInUse(ServeError):
    code = "OUTPUT_IN_USE"
    status = HTTPStatus.CONFLICT


# Scores parts, in any order: each with what became of its rows.
Runner = Callable[[Job, Sequence[Part], Progress], Iterable[tuple[Part, Counts]]]


def run_parts(
    job: Job, parts: Sequence[Part], runner: Runner, overwrite: bool, max_errors: int | None, progress: Progress
) -> tuple[Counts, Counts]:
    """The counts of all parts, and of those that this run has scored. Raises OutputExists, OutputInUse, and TooManyErrors after
    the parts of this run are deleted."""
    total, scored = Counts(), Counts()
    with sole_writer(job.output), open_output(job.output) as (objects, prefix):
        remove_private(job.output)
        done = clear_output(objects, prefix, parts, overwrite)
        for counts in done.values():
            total.add(counts)
        if done:
            progress.say(f"{len(done):,} of {len(parts):,} parts are there already")
        rest = [part for part in parts if part.name not in done]
        written = []
        for part, counts in runner(job, rest, progress):
            written.append(part)
            scored.add(counts)
            total.add(counts)
            if max_errors is not None and total.failed > max_errors:
                break
        if max_errors is not None and total.failed > max_errors:
            delete_parts(objects, prefix, {part.name for part in [*written, *rest]})
            remove_private(job.output)
            raise TooManyErrors(f"More than {max_errors} rows cannot be scored, so nothing was kept.")
        if total.rows == 0 or total.failed < total.rows:
            finish(objects, prefix, job, total, len(parts))
        remove_private(job.output)
    return total, scored


@contextmanager
def sole_writer(output: str) -> Iterator[None]:
    """Of a local output, whose scratch files would be those of another batch too. In a bucket each process has its own."""
    if output.startswith(BUCKET):
        yield
        return
    Path(output).mkdir(parents=True, exist_ok=True)
    directory = os.open(output, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OutputInUse(
                f"{find_holder(directory)} writes into {output}: wait until it ends, stop it, or name another output."
            ) from None
        yield
    finally:
        os.close(directory)


def find_holder(directory: int) -> str:
    """The process that has locked it, if the system says so: https://man7.org/linux/man-pages/man5/proc_locks.5.html"""
    locks = Path("/proc/locks")
    place = f":{os.fstat(directory).st_ino}"
    for line in locks.read_text().splitlines() if locks.exists() else ():
        fields = line.split()  # 1: FLOCK ADVISORY WRITE <process> <device>:<inode> 0 EOF
        if fields[1] == "FLOCK" and fields[5].endswith(place):
            return f"The batch of process {fields[4]}"
    return "Another batch"


def clear_output(objects: Objects, prefix: str, parts: Sequence[Part], overwrite: bool) -> dict[str, Counts]:
    """The parts that need not be scored again. Predictions of another batch are deleted with `overwrite`, else refused."""
    found = {info.name.removeprefix(prefix): info for info in objects.list(prefix)}
    keys = {part.name: part.key for part in parts}
    if SUCCESS in found and not overwrite:
        raise OutputExists(
            f"The output is whole: it has a {SUCCESS}; name another place, or score again with --overwrite."
        )
    done, others = {}, []
    for name, info in found.items():
        footer = footer_of(objects, info) if name.endswith(".parquet") else None
        if footer is not None and footer["key"] == keys.get(name):
            done[name] = Counts.from_json(footer)
        elif name.endswith(".parquet"):
            others.append((name, info, footer))
    for name, _, footer in others:
        if footer is None:
            raise OutputExists(f"The output has a file {name} that no batch has written: name another place.")
        if overwrite or footer["rows"] == footer["failed"]:  # it holds no prediction
            continue
        what = "was made from other rows, another version or other options" if name in keys else "is of another batch"
        raise OutputExists(f"The output's {name} {what}: score again with --overwrite, or name another place.")
    if SUCCESS in found:
        objects.delete(found[SUCCESS].name, found[SUCCESS].generation)
    for _, info, _ in others:
        objects.delete(info.name, info.generation)
    return done


def footer_of(objects: Objects, info: ObjectInfo) -> dict[str, Any] | None:
    try:
        return read_footer(objects, info)
    except MalformedRequest:
        return None


def delete_parts(objects: Objects, prefix: str, names: set[str]) -> None:
    for info in objects.list(prefix):
        if info.name.removeprefix(prefix) in names:
            objects.delete(info.name, info.generation)


def finish(objects: Objects, prefix: str, job: Job, total: Counts, parts: int) -> None:
    text = {"model": job.uri.rpartition("models/")[2], "parts": parts, "rows": total.rows, "failed": total.failed}
    objects.write(f"{prefix}{SUCCESS}", json.dumps(text).encode() + b"\n", 0)


def remove_private(output: str) -> None:
    """Of a local output: the lock, and what a killed process left."""
    if not output.startswith(BUCKET):
        shutil.rmtree(Path(output, PRIVATE), ignore_errors=True)
