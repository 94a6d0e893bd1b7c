"""The columns of a batch's output: their names and types are known before the first row is written, and never change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import pyarrow as pa

from modelserve.core.errors import VersionUnusable
from modelserve.models.scoring import check_method
from modelserve.models.version import Loaded
from modelserve.payloads.predictions import plain, results
from modelserve_control.batch.row_results import Outcome

# Of every row, whatever the model answers.
OWN: Final = ("model", "version", "error")
# MLflow's types of single values; what JSON writes as text is text here.
ARROW: Final = {
    "boolean": pa.bool_(),
    "integer": pa.int64(),
    "long": pa.int64(),
    "float": pa.float64(),
    "double": pa.float64(),
    "string": pa.string(),
    "datetime": pa.string(),
    "binary": pa.string(),
}
VECTORS: Final = ("predict_proba", "predict_log_proba")


class Columns:
    """`answers` are the columns of the result with their types; the own ones follow them."""

    def __init__(self, loaded: Loaded, answers: Mapping[str, pa.DataType]) -> None:
        for name in answers:
            if name in OWN:
                raise VersionUnusable(taken(name))
        self.loaded = loaded
        self.answers = answers
        own = [(name, pa.string()) for name in OWN]
        self.schema = pa.schema([*answers.items(), *own])

    def table(self, outcomes: Sequence[Outcome]) -> tuple[pa.Table, dict[int, str]]:
        """The rows, and the reason of each that has one."""
        errors = {row: outcome for row, outcome in enumerate(outcomes) if isinstance(outcome, str)}
        rows = [{} if isinstance(outcome, str) else flat(outcome) for outcome in outcomes]
        arrays = [column(name, kind, [row.get(name) for row in rows], errors) for name, kind in self.answers.items()]
        count = len(rows)
        own = ([self.loaded.name] * count, [self.loaded.version] * count, [errors.get(row) for row in range(count)])
        arrays += [pa.array(values, pa.string()) for values in own]
        return pa.Table.from_arrays(arrays, schema=self.schema), errors


def taken(label: str) -> str:
    return f"The label {label} is also a column of every batch; publish it with another --label."


def column(name: str, kind: pa.DataType, values: list[Any], errors: dict[int, str]) -> pa.Array:
    """A value that the type cannot hold is null and has its reason: Arrow alone would cut 1.5 to 1."""
    array = exact(values, kind)
    if array is not None:
        return array
    for row, value in enumerate(values):
        if exact([value], kind) is None:
            values[row] = None
            errors[row] = f"{name}: the model's answer does not fit the column's type {kind}"
    return pa.array(values, kind)


def exact(values: list[Any], kind: pa.DataType) -> pa.Array | None:
    try:
        array = pa.array(values, kind)
    except (pa.ArrowException, OverflowError):
        return None
    return array if array.to_pylist() == values else None


def flat(result: Mapping[str, Any]) -> dict[str, Any]:
    """`{"probabilities": {"yes": p}}` as `{"probability_yes": p}`: SQL and data frames filter and sort by plain columns."""
    row = dict(result)
    probabilities = row.pop("probabilities", None)
    if probabilities is None:
        return row
    head = {"prediction": row.pop("prediction")}
    return head | {f"probability_{label}": share for label, share in probabilities.items()} | row


# --- which columns ---


def classifies(loaded: Loaded, method: str | None) -> bool:
    """Whether results have labels and probabilities: see `scoring.batch_results`."""
    runtime = loaded.runtime
    return method is None and runtime.classes is not None and {"predict", "predict_proba"} <= set(runtime.methods)


def classifier_answers(loaded: Loaded) -> dict[str, pa.DataType]:
    """Of the results that the classes alone would give."""
    classes = plain(loaded.runtime.classes)
    made = results(classes, [[0.0] * len(classes)] * len(classes), classes, loaded.presentation)
    rows = [flat(result) for result in made]
    return {name: pa.array([row[name] for row in rows]).type for name in rows[0]}


def other_answers(loaded: Loaded, method: str | None, seen: Iterable[Outcome]) -> dict[str, pa.DataType]:
    """One column, of the type that holds both what is expected and the results that were `seen`."""
    if method is None:
        (name,) = results([None], None, None, loaded.presentation)[0]
    else:
        name = "prediction"
    values = [outcome[name] for outcome in seen if not isinstance(outcome, str)]
    kind = joined(expected(loaded, method), observed(values))
    # Where nothing is known it is a number, as of most models: a column of only nulls could not be appended to.
    return {name: pa.float64() if pa.types.is_null(kind) else kind}


def expected(loaded: Loaded, method: str | None) -> pa.DataType:
    name, classes = check_method(loaded, method), loaded.runtime.classes
    if name in VECTORS:
        return pa.list_(pa.float64())
    if classes is not None and name == "decision_function":
        return pa.float64() if len(classes) == 2 else pa.list_(pa.float64())
    if classes is not None:
        return observed(plain(classes))
    return declared(loaded) if name == loaded.runtime.methods[0] else pa.null()


def declared(loaded: Loaded) -> pa.DataType:
    """The signature's outputs: a single value, or of several named ones an object."""
    outputs = (loaded.signature.raw.get("outputs") if loaded.signature else None) or []
    kinds = [ARROW.get(output.get("type", ""), pa.null()) for output in outputs]
    if len(kinds) > 1 and all("name" in output for output in outputs):
        return pa.struct([(output["name"], kind) for output, kind in zip(outputs, kinds, strict=True)])
    return kinds[0] if len(kinds) == 1 else pa.null()


def observed(values: Sequence[Any]) -> pa.DataType:
    """Of values of several types, that of the first one."""
    try:
        return pa.array(values).type
    except pa.ArrowException:
        return pa.array([next(value for value in values if value is not None)]).type


def joined(wanted: pa.DataType, found: pa.DataType) -> pa.DataType:
    """Whole numbers beside doubles are doubles. Where the two contradict each other, what the model answers counts."""
    schemas = [pa.schema([("value", kind)]) for kind in (wanted, found)]
    try:
        return pa.unify_schemas(schemas, promote_options="permissive").field("value").type
    except pa.ArrowException:
        return found
