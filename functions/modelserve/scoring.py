"""The one way from a decoded payload to predictions, whatever door it came through."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, TypeVar

from modelserve.errors import BadParams, ModelFailed, UnknownMethod
from modelserve.loading import Loaded
from modelserve.payloads import Payload
from modelserve.payloads.predictions import jsonable, results
from modelserve.runtimes.outputs import holds_arrays
from modelserve.signature import Batch, Table, check_table

PROBABILITIES: Final = ("predict_proba", "predict_log_proba")
# So many results become JSON in about a millisecond; more would keep other requests waiting.
INLINE_ROWS: Final = 1_000

T = TypeVar("T")
Checked = tuple[Payload, Batch]


def check(loaded: Loaded, table: Table) -> Batch:
    return check_table(table, loaded.signature)


def check_payload(loaded: Loaded, payload: Payload) -> Checked:
    """The payload without its cells, which take many times the memory of the checked columns."""
    batch = check(loaded, payload.table)
    return replace(payload, table=Table({}, payload.table.rows, payload.table.others)), batch


def check_params(loaded: Loaded, params: Mapping[str, Any]) -> dict[str, Any]:
    if loaded.signature is not None:
        return loaded.signature.check_params(params)
    if params:
        raise BadParams("This model has no signature, so it takes no params besides predict_method.")
    return {}


def check_method(loaded: Loaded, method: str | None) -> str:
    """The method asked for, else the one the MLmodel names."""
    methods = loaded.runtime.methods
    if method is None:
        return methods[0]
    if method not in methods:
        raise UnknownMethod(method, methods)
    return method


async def predict(loaded: Loaded, batch: Batch, params: Mapping[str, Any], method: str | None) -> list[Any]:
    """JSON values of one method, one item per row for models that score rows; whatever else the model gives."""
    name = check_method(loaded, method)
    outputs = await score(loaded, batch, [name], params)
    values: list[Any] = outputs[name]
    return values


async def batch_results(
    loaded: Loaded, batch: Batch, params: Mapping[str, Any], method: str | None
) -> list[dict[str, Any]]:
    """The plain form: one result object per row."""
    runtime = loaded.runtime
    if method is None and runtime.classes is not None and {"predict", "predict_proba"} <= set(runtime.methods):
        outputs = await score(loaded, batch, ["predict", "predict_proba"], params)
        both = outputs["predict"], outputs["predict_proba"]
        return await for_rows(batch.rows, lambda: results(*both, runtime.classes, loaded.presentation))
    name = check_method(loaded, method)
    output = (await raw(loaded, batch, [name], params))[name]
    return await for_rows(batch.rows, lambda: named(loaded, one_per_row(output, batch.rows, name), method))


def named(loaded: Loaded, values: list[Any], method: str | None) -> list[dict[str, Any]]:
    if method is not None:
        return [{"prediction": value} for value in values]
    return results(values, None, None, loaded.presentation)


def one_per_row(output: Any, rows: int, method: str) -> list[Any]:
    """JSON values. The plain form and events have one result per row, so a model that gives anything else is at fault
    there. A list of arrays has one per output: only of probabilities is it known that each of them has the rows."""
    values = jsonable(output)
    arrays = holds_arrays(output)
    if arrays and method in PROBABILITIES and all(len(part) == rows for part in values):
        return [list(row) for row in zip(*values, strict=True)]
    if type(values) is list and len(values) == rows and not arrays:
        return values
    if rows == 1:
        return [values]
    raise ModelFailed("The model's answer does not have one prediction per row; send one row at a time.")


async def score(loaded: Loaded, batch: Batch, methods: Sequence[str], params: Mapping[str, Any]) -> dict[str, Any]:
    """JSON values per method."""
    outputs = await raw(loaded, batch, methods, params)
    return await for_rows(batch.rows, lambda: {method: jsonable(output) for method, output in outputs.items()})


async def raw(loaded: Loaded, batch: Batch, methods: Sequence[str], params: Mapping[str, Any]) -> dict[str, Any]:
    """What the model gives per method, each asked for once."""
    checked = check_params(loaded, params)
    if batch.rows == 0:
        return {method: [] for method in methods}
    return await loaded.scorer.score(batch, tuple(dict.fromkeys(methods)), checked)


async def for_rows(rows: int, convert: Callable[[], T]) -> T:
    """Convert results here when they are few, else on another thread."""
    return convert() if rows <= INLINE_ROWS else await asyncio.to_thread(convert)
