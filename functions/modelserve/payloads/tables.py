"""Records, rows and columns of decoded values brought into one table."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, islice
from typing import Any, TypeVar

import numpy as np

from modelserve.core.errors import MalformedRequest, TooLarge
from modelserve.payloads import Limits
from modelserve.schema.batch import Table
from modelserve.schema.extra_columns import NO_EXTRA_COLUMNS, ExtraColumns, extra_columns
from modelserve.schema.nested import Nested
from modelserve.schema.signature import Signature
from modelserve.schema.tensors import Tensor
from modelserve.schema.types import MISSING

T = TypeVar("T")


def from_records(records: Sequence[Any], signature: Signature | None, limits: Limits) -> Table:
    if records and signature and not signature.named and not takes_values(signature):
        table = from_records(records, None, limits)
        if takes_frame(signature):
            return to_tensor(table.columns, table.rows, signature)
        return keep(table.columns, table.rows, signature)
    check_rows(len(records), limits)
    for place, record in enumerate(records):
        if type(record) is not dict:
            raise MalformedRequest(f"Record {place} is not an object.")
    widest = max(map(len, records), default=0)
    check_columns(widest, limits)
    names = signature.names if signature else tuple(dict.fromkeys(chain.from_iterable(records)))
    check_cells(len(names) * len(records), limits)
    columns = {name: [record.get(name, MISSING) for record in records] for name in names}
    return Table(columns, len(records), others_of(records, names) if signature else NO_EXTRA_COLUMNS)


def others_of(records: Sequence[Mapping[str, Any]], names: Sequence[str]) -> ExtraColumns:
    known = frozenset(names)
    if all(record.keys() <= known for record in records):
        return NO_EXTRA_COLUMNS
    return ExtraColumns(frozenset(name for record in records for name in record.keys() - known))


def from_rows(rows: Sequence[Any], signature: Signature | None, limits: Limits) -> Table:
    """A list of lists (values by position), of single values (one column), or of tensor rows."""
    check_rows(len(rows), limits)
    if signature and (signature.tensors or takes_values(signature)):
        if len(signature.columns) != 1:
            raise MalformedRequest(f"The model takes named tensors: {', '.join(signature.names)}.")
        return Table({signature.names[0]: rows}, len(rows))
    if not any(type(row) is list for row in rows) and (signature is None or len(signature.columns) == 1):
        return Table({signature.names[0] if signature else "0": list(rows)}, len(rows))
    width = len(rows[0]) if rows and type(rows[0]) is list else 0
    names = signature.names if signature else tuple(str(place) for place in range(width))
    return from_split(names, rows, None, limits)


def takes_values(signature: Signature | None) -> bool:
    """A model with one nameless column of lists or objects: then each item is a value, not a record or a row of cells."""
    if signature is None or signature.named or len(signature.columns) != 1:
        return False
    return isinstance(signature.columns[0].kind, Nested)


def from_split(names: Sequence[Any], rows: Sequence[Any], signature: Signature | None, limits: Limits) -> Table:
    check_rows(len(rows), limits)
    check_columns(len(names), limits)
    width = len(names)
    for place, row in enumerate(rows):
        if type(row) is not list or len(row) != width:
            raise MalformedRequest(f"Row {place} is not a list of {width} values, one per column.")
    if len(set(map(str, names))) != width:
        raise MalformedRequest("A column is named twice.")
    values: dict[str, Sequence[Any]] = {
        str(name): column for name, column in zip(names, zip(*rows, strict=True) if rows else [()] * width, strict=True)
    }
    return keep(values, len(rows), signature)


def from_columns(columns: Mapping[str, Any], signature: Signature | None, limits: Limits) -> Table:
    """An object of columns, each a list, or an array, of as many values as there are rows."""
    check_columns(len(columns), limits)
    lengths = {len(values) if isinstance(values, list | np.ndarray) else -1 for values in columns.values()}
    if len(lengths) != 1 or -1 in lengths:
        raise MalformedRequest("The columns are not lists of one length.")
    rows = lengths.pop()
    check_rows(rows, limits)
    return keep(columns, rows, signature)


def keep(columns: Mapping[str, Sequence[Any]], rows: int, signature: Signature | None) -> Table:
    if signature is None:
        return Table(columns, rows)
    placed = by_position(columns, signature)
    known = {name: placed[name] for name in signature.names if name in placed}
    return Table(known, rows, extra_columns(placed, known), names=given_names(columns, signature))


def given_names(columns: Iterable[str], signature: Signature) -> tuple[str, ...]:
    """What a model that does not know its columns by name is to see them called, where that is something else."""
    if signature.named or signature.tensors:
        return ()
    names = tuple(islice(columns, len(signature.names)))
    return names if len(names) == len(signature.names) and set(names).isdisjoint(signature.names) else ()


def takes_frame(signature: Signature | None) -> bool:
    """A model of one nameless tensor takes the columns of a frame as its rows, whatever they are called."""
    return signature is not None and signature.tensors and not signature.named and len(signature.columns) == 1


def to_tensor(columns: Mapping[str, Sequence[Any]], rows: int, signature: Signature) -> Table:
    """A frame of one column may also have a whole row of the tensor in each cell."""
    (column,) = signature.columns
    first, *more = columns.values() or [[]]
    has_rows = isinstance(column.kind, Tensor) and (not column.kind.shape or list in map(type, first))
    items = list(first) if has_rows and not more else [list(row) for row in zip(first, *more, strict=True)]
    return Table({column.name: items}, rows)


def by_position(columns: Mapping[str, T], signature: Signature) -> Mapping[str, T]:
    """A model that does not know its columns by name takes them in their order, whatever they are called."""
    if signature.named or not columns.keys().isdisjoint(signature.names):
        return columns
    places = range(len(signature.names), len(columns))
    return dict(zip([*signature.names, *map(str, places)], columns.values(), strict=False))


def check_rows(rows: int, limits: Limits) -> None:
    if rows > limits.rows:
        raise TooLarge.over_limit(limits.rows, "rows", "MAX_ROWS")


def check_cells(cells: int, limits: Limits) -> None:
    if cells > limits.cells:
        raise TooLarge.over_limit(limits.cells, "values", "MAX_CELLS")


def check_columns(columns: int, limits: Limits) -> None:
    if columns > limits.columns:
        raise TooLarge.over_limit(limits.columns, "columns", "MAX_COLUMNS", "A row")
