"""The one way from a decoded payload to predictions, whatever door it came through."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import accumulate
from typing import Any, Final, TypeVar

from modelserve.core.errors import InvalidParams, ModelFailed, SignatureMismatch, UnknownMethod
from modelserve.models.scorers.inline import ready
from modelserve.models.scorers.outputs import RowsMismatch, row_values
from modelserve.models.version import Loaded
from modelserve.payloads.predictions import jsonable, results
from modelserve.schema.batch import Batch, Table, one_row, split, take_rows
from modelserve.schema.signature import MAX_DETAILS, check_table

logger = logging.getLogger(__name__)

# So many results become JSON in about a millisecond; more would keep other requests waiting.
INLINE_ROWS: Final = 1_000

T = TypeVar("T")
RowError = ModelFailed | SignatureMismatch
Scores = tuple[dict[str, list[Any]], dict[int, RowError]]
"""JSON values per method, one for each row that has an answer, and why the other rows have none."""
RowResult = dict[str, Any] | RowError
"""Of one row its result object, or why it has none."""


def check(loaded: Loaded, table: Table) -> Batch:
    return check_table(table, loaded.signature)


def check_params(loaded: Loaded, params: Mapping[str, Any]) -> dict[str, Any]:
    if loaded.signature is not None:
        return loaded.signature.check_params(params) if params or loaded.signature.params else {}
    if params:
        raise InvalidParams("This model has no signature, so it takes no params besides predict_method.")
    return {}


def check_method(loaded: Loaded, method: str | None) -> str:
    """The method asked for, else the one the MLmodel names."""
    methods = loaded.runtime.methods
    if method is None:
        return methods[0]
    if method not in methods:
        raise UnknownMethod(method, methods)
    return method


async def score(
    loaded: Loaded,
    batch: Batch,
    methods: Sequence[str],
    params: Mapping[str, Any],
    convert: Callable[[Any], Any] = jsonable,
) -> dict[str, Any]:
    """JSON values per method, in the forms of MLflow, or what `convert` makes of an output: one item per row for models
    that score rows, or whatever else the model gives. Raises ModelFailed when a row has no answer."""
    try:
        outputs = await call(loaded, batch, methods, params)
    except RowsMismatch as error:
        values, failed = await score_each(loaded, batch, methods, params, error)
        refuse_failed(failed, batch.rows)
        return values
    if batch.rows <= INLINE_ROWS:
        return {method: convert(output) for method, output in outputs.items()}
    return await asyncio.to_thread(lambda: {method: convert(output) for method, output in outputs.items()})


async def batch_results(
    loaded: Loaded, batch: Batch, params: Mapping[str, Any], method: str | None
) -> list[dict[str, Any]]:
    """The plain form: one result object per row. Raises ModelFailed when a row has none."""
    methods = result_methods(loaded, method)
    values, failed = await score_by_row(loaded, batch, methods, params)
    refuse_failed(failed, batch.rows)
    if batch.rows <= INLINE_ROWS:
        return make_results(loaded, values, methods, method)
    return await asyncio.to_thread(make_results, loaded, values, methods, method)


async def row_results(loaded: Loaded, batch: Batch, params: Mapping[str, Any], method: str | None) -> list[RowResult]:
    """The plain form. Raises ModelFailed when the model raises on all of them together."""
    methods = result_methods(loaded, method)
    values, failed = await score_by_row(loaded, batch, methods, params)
    found = iter(await for_rows(batch.rows, lambda: make_results(loaded, values, methods, method)))
    return [failed[row] if row in failed else next(found) for row in range(batch.rows)]


def result_methods(loaded: Loaded, method: str | None) -> Sequence[str]:
    """The methods that the plain form shows."""
    return [check_method(loaded, method)] if method is not None else loaded.result_methods


def make_results(
    loaded: Loaded, values: Mapping[str, list[Any]], methods: Sequence[str], method: str | None
) -> list[dict[str, Any]]:
    if method is not None:
        return [{"prediction": value} for value in values[method]]
    predicted, *probabilities = [values[name] for name in methods]
    return results(predicted, probabilities[0] if probabilities else None, loaded.class_names, loaded.presentation)


async def score_by_row(loaded: Loaded, batch: Batch, methods: Sequence[str], params: Mapping[str, Any]) -> Scores:
    """See `Scores`."""
    try:
        outputs = await call(loaded, batch, methods, params)
        if batch.rows <= INLINE_ROWS:
            return take_apart(outputs, batch.rows), {}
        return await asyncio.to_thread(take_apart, outputs, batch.rows), {}
    except RowsMismatch as error:
        return await score_each(loaded, batch, methods, params, error)
    except SignatureMismatch as error:
        return await score_others(loaded, batch, methods, params, error)


def take_apart(outputs: Mapping[str, Any], rows: int) -> dict[str, list[Any]]:
    return {method: row_values(output, rows, method) for method, output in outputs.items()}


async def score_others(
    loaded: Loaded, batch: Batch, methods: Sequence[str], params: Mapping[str, Any], error: SignatureMismatch
) -> Scores:
    """As `score_by_row`, without the rows that hold the cells: they fit the signature, but not this form of the model."""
    failed: dict[int, RowError] = {}
    for detail in error.details:
        failed.setdefault(detail["row"], SignatureMismatch("1 cell does not fit the compiled model.", [detail]))
    others = [row for row in range(batch.rows) if row not in failed]
    if not others:
        return {method: [] for method in methods}, failed
    values, more = await score_by_row(loaded, take_rows(batch, others), methods, params)
    return values, failed | {others[row]: one for row, one in more.items()}


async def score_each(
    loaded: Loaded, batch: Batch, methods: Sequence[str], params: Mapping[str, Any], error: RowsMismatch
) -> Scores:
    """As `score_by_row`, in smaller calls: of several rows, no answer is known to be that of a row."""
    if batch.rows == 1:
        return {method: [] for method in methods}, {0: error}
    logger.warning("%s Its rows are scored in halves, or each by itself.", error.message)
    return await score_halves(loaded, batch, methods, params, error.missing)


async def score_halves(
    loaded: Loaded, batch: Batch, methods: Sequence[str], params: Mapping[str, Any], missing: int | None
) -> Scores:
    """A model that drops rows is short of as many answers in both halves together as in the whole: then a half that has
    all of its answers is answered. Of any other model, and of a half that it fails on, each row is scored by itself."""
    halves = split(batch, [batch.rows // 2, batch.rows - batch.rows // 2])
    found: list[Scores | int] = []
    for half in halves if missing is not None and missing > 0 and batch.rows > 2 else []:
        try:
            outputs = await call(loaded, half, methods, params)
            found.append((take_apart(outputs, half.rows), {}))
        except ModelFailed as error:
            short = error.missing if isinstance(error, RowsMismatch) else None
            if short is None:
                break
            found.append(short)
    if len(found) < len(halves) or sum(one for one in found if isinstance(one, int)) != missing:
        return await score_rows_apart(loaded, batch, methods, params)
    values: dict[str, list[Any]] = {method: [] for method in methods}
    failed: dict[int, RowError] = {}
    start = 0
    for half, one in zip(halves, found, strict=True):
        part = await score_halves(loaded, half, methods, params, one) if isinstance(one, int) else one
        for method in values:
            values[method] += part[0][method]
        failed |= {start + row: error for row, error in part[1].items()}
        start += half.rows
    return values, failed


async def score_rows_apart(loaded: Loaded, batch: Batch, methods: Sequence[str], params: Mapping[str, Any]) -> Scores:
    values: dict[str, list[Any]] = {method: [] for method in methods}
    failed: dict[int, RowError] = {}
    for row in range(batch.rows):
        try:
            outputs = await call(loaded, one_row(batch, row), methods, params)
            found = take_apart(outputs, 1)
        except ModelFailed as reason:
            failed[row] = reason
            continue
        for method, one in found.items():
            values[method] += one
    return values, failed


def deal(rows: Sequence[T], sizes: Sequence[int]) -> list[Sequence[T]]:
    """The rows of each of several, in order."""
    ends = list(accumulate(sizes))
    return [rows[end - size : end] for size, end in zip(sizes, ends, strict=True)]


def refuse_failed(failed: Mapping[int, RowError], rows: int) -> None:
    """Raises ModelFailed, or SignatureMismatch, where all rows are needed."""
    if not failed:
        return
    if rows == 1:
        raise failed[0]
    if cells := [
        {**cell, "row": row}
        for row, one in failed.items()
        if isinstance(one, SignatureMismatch)
        for cell in one.details
    ]:
        raise SignatureMismatch(
            f"{len(cells)} cell{'s do' if len(cells) > 1 else ' does'} not fit the compiled model.", cells[:MAX_DETAILS]
        )
    details = [{"row": row, "column": None, "reason": error.message} for row, error in failed.items()]
    raise ModelFailed(f"The model has no answer for {len(failed)} of {rows} rows.", details[:MAX_DETAILS])


def call(loaded: Loaded, batch: Batch, methods: Sequence[str], params: Mapping[str, Any]) -> Awaitable[dict[str, Any]]:
    """What the model gives per method, each asked for once. Raises RowsMismatch for another number of rows."""
    checked = check_params(loaded, params)
    if batch.rows == 0:
        return ready({method: [] for method in methods})
    return loaded.scorer.score(batch, tuple(dict.fromkeys(methods)), checked)


async def for_rows(rows: int, convert: Callable[[], T]) -> T:
    """Convert results here when they are few, else on another thread."""
    return convert() if rows <= INLINE_ROWS else await asyncio.to_thread(convert)
