"""How a command ends: stdout holds only the result, and the exit code says whether it succeeded."""

import functools
import json
import re
import signal
import sys
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, requires, version
from typing import Any

import click

from modelserve.core.errors import BadSetting, ServeError, body, join_reasons
from modelserve_control.common.errors import PackagesMissing

REFUSED, USAGE = 1, 2
MAX_SHOWN_DETAILS = 20
MAX_SHOWN_ROWS = 3
CELL = {"row", "column", "reason"}  # the keys of a detail of SIGNATURE_MISMATCH
BREACH = {"segment", "output", "limit", "allowed", "found", "reason"}  # those of BEYOND_THRESHOLDS
# It is tried at the beginning of each part of a message only: tried at each letter, its time grows with the square of a part.
NUMBER_FOR_TEXT = re.compile(
    r"(?:^|(?<=[:;])|(?<=\. ))((?:(?!\. )[^:;])+): (?:an integer|a number|a decimal), needs string"
)

Result = Mapping[str, Any]


def table(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def prints_result(
    text: Callable[[Any], str],
    status: Callable[[Any], int] = lambda result: 0,
    refused: int = REFUSED,
    extras: tuple[str, ...] = (),
) -> Callable[[Callable[..., Result]], Callable[..., None]]:
    """Adds `--json` to a function that returns its result; `text` formats the result for a person.

    An error is one sentence on stderr, or with `--json` the error body on stdout, and exits with `refused`; a
    BadSetting exits with 2, as click's usage errors do. `status` gives the exit code of a result. `extras` are the
    extras of this package that the command needs.
    """

    def wrap(function: Callable[..., Result]) -> Callable[..., None]:
        @click.option("--json", "as_json", is_flag=True, help="Print one JSON document, also when refused.")
        @functools.wraps(function)
        def command(*args: Any, as_json: bool, **options: Any) -> None:
            try:
                check_installed(extras)
                result = function(*args, **options)
                printed = json.dumps(result, indent=2) if as_json else text(result)
            except ServeError as error:
                refuse(error, as_json, refused)
            else:
                click.echo(printed)
                if code := status(result):
                    sys.exit(code)

        return command

    return wrap


def check_installed(extras: tuple[str, ...]) -> None:
    missing = []
    try:
        wanted_by_us = (requires("modelserve-kit") or []) if extras else []
    except PackageNotFoundError:  # only the sources are there, as on a worker of Beam
        return
    for requirement in wanted_by_us:
        wanted, _, marker = requirement.partition(";")
        name = re.match(r"[\w.-]+", wanted)
        if name and any(f'extra == "{extra}"' in marker for extra in extras):
            try:
                version(name[0])
            except PackageNotFoundError:
                missing.append(name[0])
    if missing:
        raise PackagesMissing(
            f"This command needs {', '.join(sorted(set(missing)))}; "
            f'pip install "/path/to/modelserve[{",".join(extras)}]" installs them.'
        )


def exit_on_signals() -> None:
    """With the status that a shell gives a process that the signal has ended."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: sys.exit(128 + number))


def terminate_as_interrupt() -> None:
    """SIGTERM cleans up as Ctrl-C does."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def refuse(error: ServeError, as_json: bool, status: int = REFUSED) -> None:
    if as_json:
        click.echo(json.dumps(body(error, str(uuid.uuid4())), indent=2))
    else:
        lines = detail_lines(error.details)
        shown = [f"modelserve: {error.message}", *(f"  {line}" for line in lines[:MAX_SHOWN_DETAILS])]
        if (more := len(lines) - MAX_SHOWN_DETAILS) > 0:
            shown.append(f"  and {more:,} more, which --json prints")
        click.echo("\n".join([*shown, *advice(error.message, *lines)]), err=True)
    sys.exit(USAGE if isinstance(error, BadSetting) else status)


def detail_lines(details: Iterable[Mapping[str, Any]]) -> list[str]:
    """Cells of one column and reason are one line, with their rows."""
    found: dict[str, list[int]] = {}
    for one in details:
        text = describe_detail(one)
        rows = found.setdefault(text, [])
        if one.keys() == CELL and one["row"] is not None:
            rows.append(one["row"])
    return [f"{text}{describe_rows(rows)}" for text, rows in found.items()]


def describe_detail(detail: Mapping[str, Any]) -> str:
    if detail.keys() == CELL:
        return join_reasons([detail])
    if detail.keys() == BREACH:
        return format_breach(detail)
    return ", ".join(f"{key}: {value}" for key, value in detail.items() if value is not None)


def format_breach(found: Mapping[str, Any]) -> str:
    where = [str(found[key]) for key in ("segment", "output") if found[key] is not None]
    is_measured = isinstance(found["found"], int | float) or not found["reason"]
    said = found["reason"] or format_number(found["found"])
    limit = f", allowed {format_number(found['allowed'])}" if is_measured else ""
    return f"{', '.join([*where, found['limit']])}: {said}{limit}"


def format_number(value: Any) -> str:
    """In JSON, null stands for infinity."""
    return "infinite" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def describe_rows(rows: Sequence[int]) -> str:
    if len(rows) < 2:
        return f" (in row {rows[0]})" if rows else ""
    first = ", ".join([*map(str, rows[:MAX_SHOWN_ROWS]), *(["..."] if len(rows) > MAX_SHOWN_ROWS else [])])
    return f" (in {len(rows):,} rows: {first})"


def advice(*reasons: str) -> list[str]:
    """What to do about numbers where a model takes texts, if that is among the reasons."""
    columns = [name.strip(" .") for reason in reasons for name in NUMBER_FOR_TEXT.findall(reason)]
    names = list(dict.fromkeys(columns))
    return [f"The model takes texts for {', '.join(names)}: {texts_advice(names)}"] if names else []


def texts_advice(columns: Sequence[str]) -> str:
    """pandas reads whole numbers with nulls among them as floats, whose texts are 231.0: Int64 has nulls, which stay so."""
    return (
        "make them texts before, as your program does, in pandas with "
        f'rows[{json.dumps(columns)}].astype("Int64").astype("string"), and .fillna(-1) before that if the training had it.'
    )
