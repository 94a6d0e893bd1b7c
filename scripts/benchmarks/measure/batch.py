"""`scripts/bench --batch`: rows a second of `modelserve score`, beside what a user would write by hand.

All on one processor, Parquet in and out, in turns. The clock of each starts when its model is loaded.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final

import psutil

from benchmarks import processors
from benchmarks.measure.batch_sides import make_rows
from benchmarks.model import CACHE, RECIPES, load_model
from benchmarks.servers.running import process_tree
from benchmarks.servers.storage import COMPILED_RUNTIME, NATIVE_RUNTIME, RUNTIMES, NotPublished
from modelserve_control.common import processes

MODELS: Final = ("churn", "boosting", "forest", "flights")
PYFUNC, COPY, TWO = "pyfunc", "copy", "two"
ROUNDS: Final = 3
# Rows of each side, so that it takes a second or two.
ROWS: Final = {COMPILED_RUNTIME: 300_000, NATIVE_RUNTIME: 50_000, PYFUNC: 50_000, COPY: 300_000}
TARGETS: Final = {"churn": 4.0, "boosting": 4.0, "flights": 4.0, "forest": 1.2}
NATIVE_TARGET: Final = 1.0  # times pyfunc
SHARE_TARGET: Final = 0.25  # of reading and writing alone
PARTS: Final = 40  # 12 million rows: several seconds, of which the start of the processes is a small part
MEMORY_ROWS: Final = (300_000, 30_000_000)
SAMPLE_SECONDS: Final = 0.05


@dataclass
class BatchFigures:
    """Rows a second by side, of each round."""

    model: str
    rates: dict[str, list[float]] = field(default_factory=dict)

    def rate(self, side: str) -> float:
        return median(self.rates[side])

    def add(self, side: str, rate: float) -> None:
        self.rates.setdefault(side, []).append(rate)


def run(names: Sequence[str], log: Callable[[str], None], rounds: int = ROUNDS) -> list[BatchFigures]:
    found = []
    for name in names:
        site = Site(name)
        site.prepare()
        figures = BatchFigures(name)
        for number in range(1, rounds + 1):
            for side in (PYFUNC, COMPILED_RUNTIME, NATIVE_RUNTIME, COPY):
                figures.add(side, site.measure(side))
                log(f"{name}, round {number} of {rounds}: {side} {figures.rates[side][-1]:,.0f} rows/s")
        found.append(figures)
    return found


def run_processes(name: str, rounds: int = ROUNDS) -> BatchFigures:
    """Many files by one process and by two."""
    site = Site(name)
    site.prepare()
    figures = BatchFigures(name)
    for _ in range(rounds):
        for side, count in ((COMPILED_RUNTIME, 1), (TWO, 2)):
            figures.add(side, site.score_parts(count))
    return figures


def run_memory(name: str) -> dict[int, float]:
    """MiB of the command and its children at most, by the number of rows of one file."""
    site = Site(name)
    site.prepare()
    return {rows: site.peak_memory(rows) for rows in MEMORY_ROWS}


class Site:
    def __init__(self, name: str) -> None:
        self.name = name
        self.home = CACHE / name / "batch"
        self.store = self.home / "store"
        self.processor = processors.choose_pair()[0]

    def prepare(self) -> None:
        """Train, publish both runtimes and write the rows, unless that was done for this model."""
        model = load_model(self.name)
        stamp = (CACHE / self.name / "stamp").read_text()
        if (self.home / "stamp").is_file() and (self.home / "stamp").read_text() == stamp:
            return
        shutil.rmtree(self.home, ignore_errors=True)
        self.store.mkdir(parents=True)
        for runtime, compile_ in RUNTIMES.items():
            words = ["--name", runtime, "--store", str(self.store), "--alias", "champion", "--compile", compile_]
            done = subprocess.run(
                [modelserve(), "publish", str(model.directory), *words], capture_output=True, text=True
            )
            if done.returncode:
                raise NotPublished(done.stderr)
        table = importlib.import_module(f"examples.{RECIPES[self.name].module}")
        for rows in sorted({*ROWS.values()}):
            make_rows(getattr(table, RECIPES[self.name].table)(), model.directory, self.path(rows), rows)
        (self.home / "stamp").write_text(stamp)

    def path(self, rows: int) -> Path:
        return self.home / f"{rows}.parquet"

    def measure(self, side: str) -> float:
        source = self.path(ROWS[side])
        with tempfile.TemporaryDirectory(prefix="modelserve-") as directory, processors.pin_to(self.processor):
            output = Path(directory, "out.parquet")
            if side in RUNTIMES:
                return float(json.loads(call(self.score_words(side, source, str(output))))["rows_per_second"])
            words = [sys.executable, "-W", "ignore", "-m", "benchmarks.measure.batch_sides", side]
            return float(call([*words, str(source), str(output), str(CACHE / self.name / "model")]))

    def score_words(self, runtime: str, source: object, output: str) -> list[str]:
        return [modelserve(), "score", runtime, str(source), output, "--store", str(self.store), "--json"]

    def score_parts(self, count: int) -> float:
        source = self.path(ROWS[COMPILED_RUNTIME])
        with tempfile.TemporaryDirectory(prefix="modelserve-") as directory:
            Path(directory, "in").mkdir()
            for part in range(PARTS):
                Path(directory, "in", f"{part}.parquet").symlink_to(source)
            words = self.score_words(COMPILED_RUNTIME, f"{directory}/in/*.parquet", f"{directory}/out/")
            return float(json.loads(call([*words, "--processes", str(count)]))["rows_per_second"])

    def peak_memory(self, rows: int) -> float:
        with tempfile.TemporaryDirectory(prefix="modelserve-") as directory:
            source = Path(directory, "in.parquet")
            call(
                [
                    sys.executable,
                    "-m",
                    "benchmarks.measure.batch_sides",
                    "repeat",
                    str(self.path(300_000)),
                    str(source),
                    str(rows),
                ]
            )
            words = self.score_words(COMPILED_RUNTIME, source, f"{directory}/out.parquet")
            process = subprocess.Popen(words, env=environ(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            most = 0
            while process.poll() is None:
                with suppress(subprocess.TimeoutExpired, psutil.Error):
                    most = max(most, sum(one.memory_full_info().uss for one in process_tree(process.pid)))
                    process.wait(SAMPLE_SECONDS)
            if process.returncode:
                raise NotPublished(f"{' '.join(words[:4])} failed with {process.returncode}")
            return most / (1 << 20)


def modelserve() -> str:
    return str(Path(sys.executable).with_name("modelserve"))


def environ() -> dict[str, str]:
    return processes.with_sources(os.environ) | {"PYTHONPATH": os.pathsep.join(sys.path)}


def call(words: Sequence[str]) -> str:
    done = subprocess.run(words, env=environ(), capture_output=True, text=True)
    if done.returncode:
        raise NotPublished(f"{' '.join(words[:4])} failed: {done.stderr[-500:]}{done.stdout[-500:]}")
    return done.stdout


def table(found: Sequence[BatchFigures]) -> tuple[list[str], list[list[str]]]:
    head = [
        "model",
        "pyfunc",
        "compiled",
        "times pyfunc",
        "native",
        "times pyfunc",
        "read and write alone",
        "share of it",
    ]
    return head, [row(one) for one in found]


def row(one: BatchFigures) -> list[str]:
    pyfunc, compiled, native, copy = (one.rate(side) for side in (PYFUNC, COMPILED_RUNTIME, NATIVE_RUNTIME, COPY))
    return [
        one.model,
        f"{pyfunc:,.0f}",
        f"{compiled:,.0f}",
        judge(compiled / pyfunc, TARGETS[one.model]),
        f"{native:,.0f}",
        judge(native / pyfunc, NATIVE_TARGET),
        f"{copy:,.0f}",
        judge(compiled / copy, SHARE_TARGET),
    ]


def judge(ratio: float, least: float) -> str:
    return f"{ratio:.2f} (at least {least:g}: {'met' if ratio >= least else 'not met'})"


def as_json(found: Sequence[BatchFigures]) -> dict[str, Any]:
    return {one.model: one.rates for one in found}
