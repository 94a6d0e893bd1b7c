"""The columns of the output file. Their names and types are known before the first row is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import pyarrow as pa

from modelserve.core.errors import MalformedRequest, VersionUnusable
from modelserve.models.scoring import check_method
from modelserve.models.version import Loaded
from modelserve.payloads.predictions import plain, results
from modelserve_control.batch.rows.row_results import Outcome

# Columns of every output file.
OWN_COLUMNS: Final = ("model", "version", "error")
# By MLflow's types. What is text in JSON is text here.
ARROW_TYPES: Final = {
    "boolean": pa.bool_(),
    "integer": pa.int64(),
    "long": pa.int64(),
    "float": pa.float64(),
    "double": pa.float64(),
    "string": pa.string(),
    "datetime": pa.string(),
    "binary": pa.string(),
}
VECTOR_METHODS: Final = ("predict_proba", "predict_log_proba")


class Columns:
    """`kept` are columns of the input, `answers` those of the result with their types. OWN_COLUMNS follow them."""

    def __init__(self, loaded: Loaded, answers: Mapping[str, pa.DataType], kept: Sequence[pa.Field] = ()) -> None:
        for name in answers:
            if name in OWN_COLUMNS:
                raise VersionUnusable(reserved_label_message(name))
        self.loaded = loaded
        self.answers = answers
        self.kept = kept
        own = [(name, pa.string()) for name in OWN_COLUMNS]
        self.schema = pa.schema([*kept, *answers.items(), *own])
        # A dictionary of scores, which seldom repeat, takes half of the time of writing, and a tenth more bytes.
        scores = [name for name, kind in answers.items() if pa.types.is_floating(kind)]
        self._names = self._repeat_names(0)
        self.repetitive = [name for name in self.schema.names if name not in scores]

    def _repeat_names(self, rows: int) -> list[pa.Array]:
        """Those of the model and its version."""
        return [pa.repeat(pa.scalar(text), rows) for text in (self.loaded.name, self.loaded.version)]

    def build(self, outcomes: Sequence[Outcome]) -> tuple[list[pa.Array], dict[int, str]]:
        """The answers of the rows, and the reasons of those without one."""
        errors = {row: outcome for row, outcome in enumerate(outcomes) if isinstance(outcome, str)}
        rows = [{} if isinstance(outcome, str) else flatten(outcome) for outcome in outcomes]
        arrays = [
            build_column(name, kind, [row.get(name) for row in rows], errors) for name, kind in self.answers.items()
        ]
        return arrays, errors

    def table(
        self, kept: Sequence[pa.Array], answers: Sequence[pa.Array], errors: Mapping[int, str], rows: int
    ) -> pa.Table:
        reasons = pa.nulls(rows, pa.string())
        if errors:
            reasons = pa.array(map(errors.get, range(rows)), pa.string())
        if rows > len(self._names[0]):
            self._names = self._repeat_names(rows)
        own = [names.slice(0, rows) for names in self._names]
        carried = [carry(array, one) for array, one in zip(kept, self.kept, strict=True)]
        return pa.Table.from_arrays([*carried, *answers, *own, reasons], schema=self.schema)


def carry(array: pa.Array, field: pa.Field) -> pa.Array:
    """Raises MalformedRequest if a value would change, such as a time with nanoseconds in a column of microseconds."""
    try:
        return array.cast(field.type)
    except pa.ArrowInvalid as error:
        raise MalformedRequest(
            f"The column {field.name} cannot be carried over as {field.type}: {str(error).splitlines()[0].rstrip('.')}."
        ) from error


def reserved_label_message(label: str) -> str:
    return f"The label {label} is also a column of every output file; publish it with another --label."


def build_column(name: str, kind: pa.DataType, values: list[Any], errors: dict[int, str]) -> pa.Array:
    """A value that the type cannot hold becomes null, with a reason: Arrow would truncate 1.5 to 1."""
    array = exact_array(values, kind)
    if array is not None:
        return array
    for row, value in enumerate(values):
        if exact_array([value], kind) is None:
            values[row] = None
            errors[row] = f"{name}: the model's answer does not fit the column's type {kind}"
    return pa.array(values, kind)


def exact_array(values: list[Any], kind: pa.DataType) -> pa.Array | None:
    try:
        array = pa.array(values, kind)
    except (pa.ArrowException, OverflowError):
        return None
    return array if array.to_pylist() == values else None


def flatten(result: Mapping[str, Any]) -> dict[str, Any]:
    """`{"probabilities": {"yes": p}}` becomes `{"probability_yes": p}`, so that SQL and data frames can filter by it."""
    row = dict(result)
    probabilities = row.pop("probabilities", None)
    if probabilities is None:
        return row
    head = {"prediction": row.pop("prediction")}
    return head | {f"probability_{label}": share for label, share in probabilities.items()} | row


# --- which columns ---


def classifies(loaded: Loaded, method: str | None) -> bool:
    """Whether results have labels and probabilities, as in `scoring.batch_results`."""
    return method is None and len(loaded.result_methods) > 1


def classifier_columns(loaded: Loaded) -> dict[str, pa.DataType]:
    classes = plain(loaded.runtime.classes)
    made = results(classes, [[0.0] * len(classes)] * len(classes), loaded.class_names, loaded.presentation)
    rows = [flatten(result) for result in made]
    return {name: pa.array([row[name] for row in rows]).type for name in rows[0]}


def other_columns(loaded: Loaded, method: str | None, seen: Iterable[Outcome]) -> dict[str, pa.DataType]:
    """One column, whose type holds both the expected results and those that were `seen`."""
    if method is None:
        (name,) = results([None], None, None, loaded.presentation)[0]
    else:
        name = "prediction"
    values = [outcome[name] for outcome in seen if not isinstance(outcome, str)]
    kind = unify(expected_type(loaded, method), type_of(values))
    # When nothing is known, it is a number: a column of type null could not be appended to.
    return {name: pa.float64() if pa.types.is_null(kind) else kind}


def expected_type(loaded: Loaded, method: str | None) -> pa.DataType:
    name, classes = check_method(loaded, method), loaded.runtime.classes
    if name in VECTOR_METHODS:
        return pa.list_(pa.float64())
    if classes is not None and name == "decision_function":
        return pa.float64() if len(classes) == 2 else pa.list_(pa.float64())
    if classes is not None:
        return type_of(plain(classes))
    return declared_type(loaded) if name == loaded.runtime.methods[0] else pa.null()


def declared_type(loaded: Loaded) -> pa.DataType:
    """The type of the signature's outputs: one value, or a struct of several named ones."""
    outputs = (loaded.signature.raw.get("outputs") if loaded.signature else None) or []
    kinds = [ARROW_TYPES.get(output.get("type", ""), pa.null()) for output in outputs]
    if len(kinds) > 1 and all("name" in output for output in outputs):
        return pa.struct([(output["name"], kind) for output, kind in zip(outputs, kinds, strict=True)])
    return kinds[0] if len(kinds) == 1 else pa.null()


def type_of(values: Sequence[Any]) -> pa.DataType:
    """Where the types differ, that of the first value."""
    try:
        return pa.array(values).type
    except pa.ArrowException:
        return pa.array([next(value for value in values if value is not None)]).type


def unify(wanted: pa.DataType, found: pa.DataType) -> pa.DataType:
    """Integers and doubles become doubles. Where the two types conflict, the model's results decide."""
    schemas = [pa.schema([("value", kind)]) for kind in (wanted, found)]
    try:
        return pa.unify_schemas(schemas, promote_options="permissive").field("value").type
    except pa.ArrowException:
        return found
