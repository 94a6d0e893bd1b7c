"""`modelserve drift`: rows of now, from files or from the prediction log, against the profile of a version."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from msgspec.structs import replace

from modelserve.core.errors import BadSetting
from modelserve.store.buckets.objects import Objects
from modelserve.store.versions.manifest import Manifest
from modelserve_control.batch.rows.columns import OWN_COLUMNS
from modelserve_control.common.errors import NothingCompared
from modelserve_control.common.progress import Progress
from modelserve_control.monitor import prediction_log, profiles, scoring
from modelserve_control.monitor.stats.answers import PREDICTION, read_answers
from modelserve_control.monitor.stats.drift import find_drift
from modelserve_control.monitor.stats.shift import Limits
from modelserve_control.monitor.stats.windows import group_by_time
from modelserve_control.monitor.tables import Columns, read_columns, read_times
from modelserve_control.registry import version_ref

Window = tuple[str, Columns, Columns, int, float | None]
"""Its name, its columns, those of its predictions, its rows, and the share of rows with an unknown category, where it is logged."""


@dataclass(frozen=True)
class DriftOptions:
    """`against` is a version or an alias. `time` names the column that `window` cuts by.
    `score`: a table without predictions is scored by the version, if the profile has some.
    `since`: only windows that end later are scored and compared."""

    name: str
    data: tuple[str, ...]
    store: str
    against: str = version_ref.CHAMPION
    window: str | None = None
    time: str | None = None
    limits: Limits = field(default_factory=Limits)
    score: bool = True
    trust: str = "strict"
    since: datetime | None = None


def measure_drift(objects: Objects, options: DriftOptions, progress: Progress) -> dict[str, Any]:
    """One result for each window; `drift` if there is any in one of them. Raises ServeError."""
    what = f"{options.name}/{options.against}" if options.against.isdigit() else f"{options.name}@{options.against}"
    manifest = version_ref.manifest(objects, what)
    profile = profiles.read_profile(objects, manifest)
    columns, rows = select_since(*read_columns(options.data, progress), options)
    if prediction_log.is_scored(columns):
        columns, rows = select_scored(columns, manifest)
        if absent := [name for name in profile.columns if name not in columns]:
            progress.say(f"not compared: {', '.join(absent)}; `modelserve score --keep COLUMN` carries columns over")
            profile = replace(profile, columns={name: one for name, one in profile.columns.items() if name in columns})
    if (
        rows
        and options.score
        and profile.predictions
        and not prediction_log.is_log(columns)
        and PREDICTION not in columns
    ):
        address = version_ref.version_uri(f"{manifest.name}/{manifest.version}", options.store)
        columns = {**columns, **scoring.score_columns(address, options.trust, columns, rows, progress)}
    windows = [
        {"window": name, "unknown_categories": unknown}
        | find_drift(profile, inputs, predictions, count, options.limits)
        for name, inputs, predictions, count, unknown in cut_windows(
            columns, rows, manifest.name, manifest.version, options
        )
    ]
    if not windows:
        raise NothingCompared(f"The data has no rows of {options.name}.")
    head = {"name": manifest.name, "version": manifest.version, "alpha": options.limits.alpha}
    return head | {"drift": any(window["drift"] for window in windows), "windows": windows}


def select_scored(columns: Columns, manifest: Manifest) -> tuple[Columns, int]:
    """The rows that `score` has scored with the version. Raises NothingCompared."""
    by = list(zip(columns["model"], columns["version"], strict=True))
    places = [row for row, one in enumerate(by) if one == (manifest.name, manifest.version)]
    if by and not places:
        versions = ", ".join(sorted({f"{name}/{version}" for name, version in by}))
        raise NothingCompared(
            f"The rows were scored by {versions}, and the profile is that of {manifest.name}/{manifest.version}."
        )
    named = prediction_log.name_prediction(columns)
    return take({name: one for name, one in named.items() if name not in OWN_COLUMNS}, places), len(places)


def select_since(columns: Columns, rows: int, options: DriftOptions) -> tuple[Columns, int]:
    """The log is not scored, so `cut_windows` leaves out its older windows instead."""
    if options.since is None or options.window is None or prediction_log.is_log(columns):
        return columns, rows
    windows = group_by_time(window_times(columns, options), options.window, options.since)
    places = [row for _, part in windows for row in part]
    return take(columns, places), len(places)


def cut_windows(columns: Columns, rows: int, name: str, version: str, options: DriftOptions) -> Iterator[Window]:
    if prediction_log.is_log(columns):
        logged = prediction_log.read_log(columns, name)
        for window, places in group_by_time(logged.times, options.window, options.since):
            part = logged.select(places)
            own = [row for row, other in enumerate(part.versions) if other == version]
            yield (
                window,
                part.columns(),
                part.select(own).answers().columns() if own else {},
                len(part),
                part.unknown_share(),
            )
        return
    answers = read_answers(columns)
    predictions = answers.columns() if answers else {}
    inputs = {key: values for key, values in columns.items() if key not in predictions}
    for window, places in group_by_time(window_times(columns, options), options.window) if rows else ():
        if options.window is None:
            yield window, inputs, predictions, rows, None
            return
        yield window, take(inputs, places), take(predictions, places), len(places), None


def window_times(columns: Columns, options: DriftOptions) -> Any:
    if options.window is None:
        return np.zeros(1, dtype="datetime64[us]")
    if options.time is None:
        has = f"it has {', '.join(columns)}"
        raise BadSetting(f"--window needs the column of the time: name it with --time; {has}.")
    return read_times(columns, options.time)


def take(columns: Columns, places: list[int]) -> Columns:
    return {
        name: values[places] if isinstance(values, np.ndarray) else [values[row] for row in places]
        for name, values in columns.items()
    }
