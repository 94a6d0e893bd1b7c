"""`modelserve compare`: both sides score the file chunk by chunk; their answers are paired, counted and checked."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from modelserve.payloads.predictions import encode
from modelserve_control.batch.files import table_files
from modelserve_control.common import provenance
from modelserve_control.common.output import terminate_as_interrupt
from modelserve_control.common.progress import Progress
from modelserve_control.compare.report.sections import build_sections, build_title
from modelserve_control.compare.sides.sides import resolve_subject, start_side
from modelserve_control.compare.sides.wire import Begin
from modelserve_control.compare.stats import thresholds
from modelserve_control.compare.stats.counting import count_rows
from modelserve_control.compare.stats.segments import Segments
from modelserve_control.compare.stats.target import Target
from modelserve_control.monitor.reports import create_reports


@dataclass(frozen=True)
class CompareOptions:
    """`a` and `b`: see `resolve_subject`. `by` and `target` name columns of the data."""

    name: str | None
    a: str
    b: str
    data: str
    store: str | None = None
    by: str | None = None
    target: str | None = None
    thresholds: Path | None = None
    markdown: str | None = None
    html: str | None = None
    overwrite: bool = False
    batch_rows: int = 10_000
    method: str | None = None
    trust: str = "strict"
    token_command: str | None = None


def compare(options: CompareOptions, progress: Progress) -> dict[str, Any]:
    """The comparison as JSON values: see docs/compare.md. `within` is None without thresholds.

    Raises ServeError when the two cannot be compared; then no report is written.
    """
    limits = thresholds.read(options.thresholds, options.by, options.target)
    table_files.check_source(options.data)
    subjects = [resolve_subject(options.name, subject, options.store, progress) for subject in (options.a, options.b)]
    terminate_as_interrupt()  # removes temporary files, as Ctrl-C does
    with (
        create_reports(options.markdown, options.html, options.overwrite, progress) as write_reports,
        table_files.fetch(options.data, progress) as source,
        start_side("A") as a,
        start_side("B") as b,
    ):
        segments = Segments(source, options.by, options.batch_rows)
        target = Target(source, options.target, options.batch_rows)
        how = (str(source), options.batch_rows, options.method, options.trust, options.token_command)
        for side, (address, is_service) in zip((a, b), subjects, strict=True):
            side.channel.send(Begin(address, is_service, *how))
        descriptions = a.receive_description(), b.receive_description()
        result = count_rows(descriptions, (a, b), segments, target, options.method, progress)
        breaches = thresholds.find_breaches(limits, result) if limits else []
        result |= {"breaches": breaches, "within": not breaches if limits else None, "compared_at": provenance.now()}
        write_reports(build_title(result), build_sections(result))
    return msgspec.json.decode(encode(result), type=dict[str, Any])
