"""Both sides score the file chunk by chunk, in turn; what they answer is paired, counted and judged."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from modelserve.core.errors import BadSetting
from modelserve.payloads.predictions import encode
from modelserve_control.batch import table_files
from modelserve_control.common.progress import Progress
from modelserve_control.compare.report import markdown, page
from modelserve_control.compare.sides import sides
from modelserve_control.compare.sides.wire import Job
from modelserve_control.compare.stats import thresholds
from modelserve_control.compare.stats.counting import counted
from modelserve_control.compare.stats.segments import Segments
from modelserve_control.compare.stats.thresholds import Thresholds


@dataclass(frozen=True)
class Order:
    """What to compare, and how. `a` and `b`: see `sides.job`. `by` names a column of the data."""

    name: str | None
    a: str
    b: str
    data: str
    store: str | None = None
    by: str | None = None
    thresholds: Path | None = None
    markdown: str | None = None
    html: str | None = None
    overwrite: bool = False
    batch_rows: int = 10_000
    method: str | None = None
    trust: str = "strict"
    token_command: str | None = None


def compare(order: Order, progress: Progress) -> dict[str, Any]:
    """The document of a comparison as JSON values: see docs/compare.md. `within` is None without thresholds.

    Raises ServeError when the two cannot be compared; then no report is written.
    """
    limits = limits_of(order.thresholds, order.by)
    table_files.check_source(order.data)
    jobs = [sides.job(order.name, subject, order.store) for subject in (order.a, order.b)]
    # What was begun is removed on the way out, as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with (
        reports(order, progress) as files,
        table_files.fetched(order.data, progress) as source,
        sides.started("A") as a,
        sides.started("B") as b,
    ):
        segments = Segments(source, order.by, order.batch_rows)
        for side, (address, service) in zip((a, b), jobs, strict=True):
            side.begin(
                Job(address, str(source), order.batch_rows, order.method, order.trust, order.token_command, service)
            )
        known = a.described(), b.described()
        result = counted(known, (a, b), segments, order.method, progress)
        found = thresholds.breaches(limits, result) if limits else []
        result |= {"breaches": found, "within": not found if limits else None}
        for path, render in files:
            path.write_text(render(result), encoding="utf-8")
    legal: dict[str, Any] = msgspec.json.decode(encode(result))
    return legal


def limits_of(path: Path | None, by: str | None) -> Thresholds | None:
    """Raises BadSetting."""
    limits = thresholds.read(path)
    if limits and limits.segments and by is None:
        raise BadSetting("The thresholds have limits of segments: say with --by which column makes them.")
    return limits


@contextmanager
def reports(order: Order, progress: Progress) -> Iterator[list[tuple[Path, Any]]]:
    """Where to write each report that is wanted, and what writes it: there when the block ends well, and else not."""
    wanted = [(address, render) for address, render in ((order.markdown, markdown.render), (order.html, page.render))]
    with ExitStack() as stack:
        yield [
            (stack.enter_context(table_files.created(address, order.overwrite, progress)), render)
            for address, render in wanted
            if address is not None
        ]
