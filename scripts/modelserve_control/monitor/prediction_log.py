"""Rows with their predictions: the prediction log, as `modelserve.prediction_log` publishes it, and what `score` writes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np

from modelserve.core.errors import BadSetting, MalformedRequest
from modelserve.schema.types import MISSING
from modelserve_control.batch.rows.columns import OWN_COLUMNS
from modelserve_control.monitor.stats.answers import PREDICTION, PROBABILITY, Answers, collect_answers
from modelserve_control.monitor.tables import Columns, as_times

# Of a table of the log. `inputs` and `answer` are JSON objects as text, because each model has columns of its own.
REQUIRED: Final = ("prediction_id", "model", "version", "time", "inputs", "answer")


@dataclass(frozen=True)
class LoggedRows:
    """Equally long. `ids` are the callers' own where they sent one. `results` are the result objects of the answers. `unknown`
    counts the cells with a category that the model has never seen; None where the log does not have it. Rows of `score` have no
    `times` and no `inputs`."""

    ids: list[str]
    versions: list[str]
    times: np.ndarray[Any, np.dtype[np.datetime64]]
    inputs: list[dict[str, Any]]
    results: list[dict[str, Any]]
    unknown: list[int | None]

    def __len__(self) -> int:
        return len(self.ids)

    def select(self, rows: Sequence[int]) -> "LoggedRows":
        lists: Any = ([values[row] for row in rows] for values in (self.inputs, self.results, self.unknown))
        ids, versions = ([values[row] for row in rows] for values in (self.ids, self.versions))
        return LoggedRows(ids, versions, self.times[list(rows)], *lists)

    def columns(self) -> Columns:
        names = dict.fromkeys(name for row in self.inputs for name in row)
        return {name: [row.get(name, MISSING) for row in self.inputs] for name in names}

    def unknown_share(self) -> float | None:
        """Of the rows with a count, those with an unknown category."""
        counts = [count for count in self.unknown if count is not None]
        return sum(map(bool, counts)) / len(counts) if counts else None

    def answers(self) -> Answers:
        return collect_answers(self.results)


def is_log(columns: Columns) -> bool:
    return columns.keys() >= set(REQUIRED)


def read_log(columns: Columns, model: str) -> LoggedRows:
    """The rows of one model, each prediction once: Pub/Sub may deliver a message twice. Raises MalformedRequest."""
    if missing := [name for name in REQUIRED if name not in columns]:
        raise MalformedRequest(f"The prediction log has no column {', '.join(missing)}.")
    rows = [row for row, name in enumerate(columns["model"]) if name == model]
    versions = [str(version) for version in columns["version"]]
    first = {(columns["prediction_id"][row], versions[row]): row for row in reversed(rows)}
    kept = sorted(first.values())
    times = as_times(columns["time"])
    try:
        inputs, results = ([msgspec.json.decode(columns[name][row]) for row in kept] for name in ("inputs", "answer"))
    except (msgspec.DecodeError, TypeError) as error:
        raise MalformedRequest(f"The prediction log has a row that is not JSON: {error}.") from error
    callers = columns.get("caller_id", [None] * len(versions))
    ids = [str(callers[row] or columns["prediction_id"][row]) for row in kept]
    counts = columns.get("unknown_categories", [None] * len(versions))  # which an older log does not have
    unknown = [None if counts[row] is None else int(counts[row]) for row in kept]
    return LoggedRows(ids, [versions[row] for row in kept], times[kept], inputs, results, unknown)


def is_scored(columns: Columns) -> bool:
    """Whether `modelserve score` has written them."""
    return columns.keys() >= set(OWN_COLUMNS) and not is_log(columns)


def name_prediction(columns: Columns) -> Columns:
    """Renames the prediction of scored rows, which has the label of its version and stands before `model`."""
    names = list(columns)
    label = PREDICTION if PREDICTION in columns else names[names.index(OWN_COLUMNS[0]) - 1]
    return {PREDICTION if name == label else name: values for name, values in columns.items()}


def read_scored(columns: Columns, model: str, key: str) -> LoggedRows:
    """The rows of one model; `key` is the column with their ids. Raises BadSetting."""
    if key not in columns:
        raise BadSetting(
            f"The scored rows have no column {key} to join labels by: `modelserve score --keep {key}` carries it over, and "
            f"--id makes one. They have {', '.join(columns)}."
        )
    named = name_prediction(columns)
    rows = [row for row, name in enumerate(columns["model"]) if name == model]
    shares = {name.removeprefix(PROBABILITY): name for name in named if name.startswith(PROBABILITY)}
    results = [
        {PREDICTION: named[PREDICTION][row]}
        | ({"probabilities": {label: named[name][row] for label, name in shares.items()}} if shares else {})
        for row in rows
    ]
    ids = [key_text(columns[key][row]) for row in rows]
    times = np.full(len(rows), "nat", dtype="datetime64[us]")
    versions = [str(columns["version"][row]) for row in rows]
    return LoggedRows(ids, versions, times, [{} for _ in rows], results, [None] * len(rows))


def key_text(key: Any) -> str:
    """pandas writes whole numbers with a null as doubles."""
    return str(int(key)) if isinstance(key, float) and key.is_integer() else str(key)
