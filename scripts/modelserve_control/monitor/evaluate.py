"""`modelserve evaluate`: joins later labels with the prediction log or with scored rows, and measures the answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from modelserve.core.errors import BadSetting
from modelserve.store.buckets.objects import Objects
from modelserve_control.common.errors import NothingCompared
from modelserve_control.common.progress import Progress
from modelserve_control.monitor.prediction_log import LoggedRows, is_scored, key_text, read_log, read_scored
from modelserve_control.monitor.stats.quality import measure
from modelserve_control.monitor.stats.windows import group_by_time
from modelserve_control.monitor.tables import Columns, read_columns
from modelserve_control.registry import version_ref


@dataclass(frozen=True)
class EvaluateOptions:
    """`key` is the column of the labels with the prediction's id, `target` the one with the truth. `log` may also be files
    that `score` has written; then `key` is a column of theirs too, and their windows are one."""

    name: str
    log: tuple[str, ...]
    labels: tuple[str, ...]
    key: str
    target: str
    window: str = "day"


def evaluate(objects: Objects, options: EvaluateOptions, progress: Progress) -> dict[str, Any]:
    """`all`, and each window and version with its figures. Raises ServeError."""
    positive = positive_class(objects, options.name)
    columns, _ = read_columns(options.log, progress)
    logged = read_scored(columns, options.name, options.key) if is_scored(columns) else read_log(columns, options.name)
    truth, counts = read_labels(read_columns(options.labels, progress)[0], options)
    return {"name": options.name, **counts} | evaluate_rows(logged, truth, positive, options.window)


def positive_class(objects: Objects, name: str) -> str | None:
    """Of the champion; the model may have none, and then the last of two classes is it."""
    presentation = version_ref.manifest(objects, name).presentation or {}
    found: str | None = presentation.get("positive_class")
    return found


def read_labels(columns: Columns, options: EvaluateOptions) -> tuple[dict[str, Any], dict[str, Any]]:
    """The truth by id, without rows that have none. Of an id that is there twice the last row counts, as the one that was
    corrected."""
    if missing := [name for name in (options.key, options.target) if name not in columns]:
        raise BadSetting(f"The labels have no column {' and no '.join(missing)}; they have {', '.join(columns)}.")
    pairs = zip(columns[options.key], columns[options.target], strict=True)
    named = [(key_text(key), value) for key, value in pairs if key is not None and key == key]
    keys, truth = [key for key, _ in named], dict(named)
    return truth, {"labels": len(keys), "repeated": len(keys) - len(truth)}


def evaluate_rows(logged: LoggedRows, truth: Mapping[str, Any], positive: str | None, window: str) -> dict[str, Any]:
    """A pure function. `unlabelled` predictions have no label yet, `unknown` labels no prediction in the log."""
    rows = [row for row, key in enumerate(logged.ids) if key in truth]
    if not rows:
        raise NothingCompared(
            f"None of {len(truth):,} labels has the id of one of {len(logged):,} predictions in the log; is --key right?"
        )
    known = logged.select(rows)
    head = {"predictions": len(logged), "joined": len(rows), "unlabelled": len(logged) - len(rows)}
    head |= {"unknown": len(truth.keys() - set(known.ids))}
    parts = []
    for name, places in group_by_time(known.times, None if np.isnat(known.times).all() else window):
        for version in sorted({known.versions[row] for row in places}, key=lambda text: (len(text), text)):
            part = [row for row in places if known.versions[row] == version]
            parts.append({"window": name, "version": version} | measure_rows(known, part, truth, positive))
    whole = measure_rows(known, range(len(known)), truth, positive)
    return head | {"all": whole, "parts": parts}


def measure_rows(
    logged: LoggedRows, rows: Sequence[int], truth: Mapping[str, Any], positive: str | None
) -> dict[str, Any]:
    part = logged.select(rows)
    return measure(np.array([truth[key] for key in part.ids], dtype=object), part.answers(), positive)
