"""A year of the past: the same months under no retraining, under the schedule (A) and under error and drift (B)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from modelserve.core.errors import BadSetting
from modelserve.models.version import Loaded
from modelserve_control.batch.models import load_model
from modelserve_control.common.errors import NothingCompared
from modelserve_control.common.mlflow_settings import silence
from modelserve_control.common.progress import Progress
from modelserve_control.monitor.drift import take
from modelserve_control.monitor.scoring import score_loaded
from modelserve_control.monitor.stats.answers import read_answers
from modelserve_control.monitor.stats.drift import find_drift
from modelserve_control.monitor.stats.profile import Profile, build_profile
from modelserve_control.monitor.stats.quality import measure
from modelserve_control.monitor.stats.windows import window_end
from modelserve_control.monitor.tables import Columns, read_columns
from modelserve_control.retrain.decide import DriftWindow, ErrorWindow, History, Rules, decide
from modelserve_control.retrain.observe import as_error, cut_windows
from modelserve_control.retrain.policy import ErrorSection, Policy
from modelserve_control.retrain.train import train

NEVER: Final = "never"
SCHEDULE: Final = "A: schedule"
QUALITY: Final = "B: error and drift"


@dataclass(frozen=True)
class Period:
    """The rows of a window."""

    name: str
    columns: Columns
    rows: int


@dataclass(frozen=True)
class Trained:
    loaded: Loaded
    profile: Profile


@dataclass(frozen=True)
class Simulation:
    """A training is made once, whichever policy asks for it: the same rows give the same model."""

    policy: Policy
    section: ErrorSection
    periods: Sequence[Period]
    newest: int
    trust: str
    scratch: Path
    stack: ExitStack
    progress: Progress
    trainings: dict[int, Trained] = field(default_factory=dict)
    measured: dict[tuple[int, int], tuple[ErrorWindow, DriftWindow]] = field(default_factory=dict)

    def run(self, rules: Rules) -> dict[str, Any]:
        """The first period is trained on, each later one is answered, and then it is decided."""
        trained, since = 0, list[tuple[ErrorWindow, DriftWindow]]()
        trainings, windows = list[dict[str, Any]](), list[dict[str, Any]]()
        for place in range(1, len(self.periods)):
            since.append(self.measure(trained, place))
            error, drift = since[-1]
            windows.append({"window": error.name, "rows": error.rows, "error": error.error, "drifted": drift.drifted})
            errors, drifts = zip(*since, strict=True)
            decision = decide(History(self.end(place), self.end(trained), None, errors, drifts), rules)
            if decision.retrain and place + 1 < len(self.periods):
                reasons = [reason.text for reason in decision.reasons if reason.met]
                trained, since = place, []
                trainings.append({"after": self.periods[place].name, "reasons": reasons})
        known = [one["error"] for one in windows if one["error"] is not None]
        mean = float(np.mean(known)) if known else None
        return {"trainings": trainings, "mean": mean, "worst": max(known, default=None), "windows": windows}

    def end(self, place: int) -> Any:
        return window_end(self.periods[place].name, self.section.window)

    def measure(self, trained: int, place: int) -> tuple[ErrorWindow, DriftWindow]:
        if (trained, place) not in self.measured:
            model, period = self.train(trained), self.periods[place]
            predictions = score_loaded(model.loaded, period.columns, period.rows, self.progress)
            answers = read_answers(predictions)
            found = answers and measure(
                period.columns[self.section.target], answers, self.policy.publish.positive_class
            )
            figures = found["figures"] if found else {}
            error = as_error(self.section.figure, figures.get(self.section.figure))
            drifted = find_drift(model.profile, self.inputs(model.loaded, period), predictions, period.rows)["drifted"]
            self.measured[trained, place] = (
                ErrorWindow(period.name, period.rows, error),
                DriftWindow(period.name, tuple(drifted)),
            )
        return self.measured[trained, place]

    def train(self, place: int) -> Trained:
        """On the newest periods up to this one."""
        if place not in self.trainings:
            start = max(0, place + 1 - self.newest) if self.newest else 0
            rows = self.scratch / f"{place}.parquet"
            pq.write_table(join(self.periods[start : place + 1]), rows)
            self.progress.say(f"training on {self.periods[start].name} to {self.periods[place].name}")
            model = self.scratch / f"model-{place}"
            train(self.policy.train, rows, model, self.scratch / "log")
            loaded = self.stack.enter_context(load_model(str(model), self.trust, self.progress))
            columns, count = read_columns([str(rows)], self.progress)
            scored = score_loaded(loaded, columns, count, self.progress)
            inputs = self.inputs(loaded, Period("", columns, count))
            self.trainings[place] = Trained(loaded, build_profile(inputs, scored, count))
        return self.trainings[place]

    def inputs(self, loaded: Loaded, period: Period) -> Columns:
        names = loaded.signature.names if loaded.signature else None
        return {name: values for name, values in period.columns.items() if names is None or name in names}


def simulate(name: str, policy: Policy, newest: int, trust: str, progress: Progress) -> dict[str, Any]:
    """Each policy by its name. Raises BadSetting, NothingCompared and TrainingFailed."""
    section = policy.error
    if section is None or section.data is None:
        raise BadSetting("--simulate needs error with data in the policy: the rows of the past, with their truth.")
    periods = list(read_periods(section, progress))
    if len(periods) < 2:
        raise NothingCompared(
            f"A simulation needs rows of at least 2 windows of a {section.window}; there are {len(periods)}."
        )
    with TemporaryDirectory(prefix="modelserve-") as scratch, ExitStack() as stack, silence():
        simulation = Simulation(policy, section, periods, newest, trust, Path(scratch), stack, progress)
        policies = {key: simulation.run(rules) for key, rules in rules_of(policy).items()}
    head = {
        "name": name,
        "figure": section.figure,
        "window": section.window,
        "start": periods[0].name,
        "newest": newest,
    }
    return {**head, "policies": policies}


def join(periods: Sequence[Period]) -> pa.Table:
    """In one period a column of whole numbers may be all null, or have doubles."""
    return pa.concat_tables([pa.table(one.columns) for one in periods], promote_options="permissive")


def rules_of(policy: Policy) -> Mapping[str, Rules]:
    rules = {NEVER: Rules(), SCHEDULE: Rules(schedule=policy.schedule)}
    if policy.schedule is None:
        del rules[SCHEDULE]
    return {**rules, QUALITY: Rules(error=policy.error, drift=policy.drift)}


def read_periods(section: ErrorSection, progress: Progress) -> Iterator[Period]:
    columns, _ = read_columns(section.data or (), progress)
    for name, places in cut_windows(section, columns):
        yield Period(name, take(columns, places), len(places))
