"""Runs `modelserve` itself, so that a tab shows what the command answers, after the command's own checks."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import BoundedSemaphore
from typing import Any, Final

from dash import html

from modelserve.core.errors import ServeError
from modelserve_control.common import processes
from modelserve_control.console.options import ConsoleOptions

MAX_REPORTS: Final = 4
reports: Final = BoundedSemaphore(MAX_REPORTS)


@dataclass(frozen=True)
class Report:
    result: dict[str, Any]
    page: str

    def frame(self, title: str) -> Any:
        """The report's own page, which loads and runs nothing."""
        return html.Iframe(srcDoc=self.page, title=title)


def make_report(options: ConsoleOptions, *words: str) -> Report:
    """Raises ServeError, also when MAX_REPORTS are being made."""
    if not reports.acquire(blocking=False):
        raise ServeError(
            f"{MAX_REPORTS} reports are being made, which is the most at once: reload when one of them is done."
        )
    try:
        with TemporaryDirectory(prefix="modelserve-console-") as scratch:
            page = Path(scratch, "report.html")
            result = run_command(options, *words, "--html", str(page))
            return Report(result, page.read_text("utf-8"))
    finally:
        reports.release()


def run_command(options: ConsoleOptions, *words: str) -> dict[str, Any]:
    """Its result. Raises ServeError with what it refused."""
    environ = processes.with_sources({**os.environ, "MODELSERVE_STORE": options.store, "MODEL_TRUST": options.trust})
    with processes.Commands() as commands:
        _, out, err = commands.run(processes.module("modelserve_control.cli.entry", *words, "--json"), environ)
    try:
        result: dict[str, Any] = json.loads(out)
    except ValueError:
        raise ServeError(f"modelserve {words[0]} has failed: {(err.splitlines() or ['it said nothing'])[-1]}") from None
    if "error_code" in result:
        raise ServeError(result["message"], result["details"])
    return result


def repeat_option(option: str, values: Sequence[str]) -> list[str]:
    return [word for value in values for word in (option, value)]
