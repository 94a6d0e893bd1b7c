"""An MLflow signature, and the check that brings a table of decoded values into its columns without loss."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from typing import Any

import numpy as np

from modelserve.core.errors import Detail, InvalidParams, SignatureMismatch, VersionUnusable
from modelserve.schema.batch import Batch, Table
from modelserve.schema.extra_columns import ExtraColumns
from modelserve.schema.nested import AnyType, column_type, python_value
from modelserve.schema.tensors import Tensor
from modelserve.schema.texts import read_column
from modelserve.schema.types import MISSING, SCALARS, ColumnType

logger = logging.getLogger(__name__)

# One answer names at most this many bad cells, and counts the others: 10,000 rows can hold millions.
MAX_DETAILS = 1_000


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    kind: ColumnType
    required: bool = True


@dataclass(frozen=True, slots=True)
class Param:
    name: str
    kind: ColumnType
    default: Any
    is_list: bool = False


@dataclass(frozen=True, slots=True)
class Signature:
    columns: tuple[Column, ...]
    params: tuple[Param, ...] = ()
    named: bool = True  # whether the model knows its columns by name; otherwise they are called "0", "1" and so on here
    raw: Mapping[str, Any] = field(default_factory=dict)
    """The signature as the MLmodel has it, decoded: {"inputs": [...], "outputs": [...], "params": [...]}."""

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def tensors(self) -> bool:
        return any(isinstance(column.kind, Tensor) for column in self.columns)

    def check(self, table: Table) -> Batch:
        """Every column in its type. Raises SignatureMismatch with all bad cells: row, column, reason."""
        if table.fits:
            return Batch.of_cells(table.columns, table.rows, lambda: self._check(table).columns)
        return self._check(table)

    def _check(self, table: Table) -> Batch:
        bad = CellErrors()
        empty = [] if any(column.required for column in self.columns) else self._empty_rows(table)
        for row in empty:
            bad.nothing(row)
        columns = {}
        for column in self.columns:
            values = table.columns.get(column.name)
            if values is None or (table.rows and all(value is MISSING for value in values)):
                if column.required or (empty and table.others.like(column.name)):
                    bad.missing(column.name, table.others, column.required)
                    continue
                if table.others.like(column.name):
                    warn_of_similar(column.name)
                values = [None] * table.rows
            bad.name = column.name
            columns[column.name] = column.kind.check(values, column.required, bad)
        bad.raise_any()
        return Batch(columns, table.rows, table.names)

    def _empty_rows(self, table: Table) -> Sequence[int | None]:
        """The rows that have none of the columns; None for all of them."""
        given = [table.columns[name] for name in self.names if name in table.columns]
        rows: Sequence[int] = range(table.rows)
        for values in given:
            rows = [row for row in rows if values[row] is MISSING] if type(values) is list else ()
        return rows if given else [None]

    def parse_text(
        self, texts: Mapping[str, Sequence[str]], rows: int, others: ExtraColumns, names: tuple[str, ...] = ()
    ) -> Table:
        """A table of texts (CSV, query) as values of each column's type, still to be checked unless all fit."""
        table: dict[str, Sequence[Any]] = {}
        fits = True
        for column in self.columns:
            cells = texts.get(column.name)
            values = read_column(cells, column.kind, column.required) if cells else None
            fits = fits and values is not None
            if cells is not None:
                table[column.name] = [column.kind.text(text) for text in cells] if values is None else values
        return Table(table, rows, others, fits, names)

    def check_params(self, given: Mapping[str, Any]) -> dict[str, Any]:
        known = {param.name: param for param in self.params}
        unknown = [name for name in given if name not in known]
        if unknown:
            has = f"it has {', '.join(known)}" if known else "it has none besides predict_method"
            raise InvalidParams(f"{len(unknown)} params are not in the model's signature; {has}.")
        return {name: param_value(param, given.get(name, param.default)) for name, param in known.items()}


class CellErrors:
    def __init__(self) -> None:
        self.name = ""
        self.details: list[Detail] = []
        self.count = 0

    def __call__(self, row: int, reason: str) -> None:
        self._add({"row": row, "column": self.name, "reason": reason})

    def missing(self, name: str, others: ExtraColumns, required: bool = True) -> None:
        # The other name is the caller's own text, which no answer repeats: it is not hard to find.
        alike = self.count < MAX_DETAILS and others.like(name)
        reason = f"{'a required' if required else 'an optional'} column is missing"
        self._add(
            {"row": None, "column": name, "reason": reason + ("; one with a similar name is there" if alike else "")}
        )

    def nothing(self, row: int | None) -> None:
        self._add({"row": row, "column": None, "reason": "none of the model's columns is there"})

    def _add(self, detail: Detail) -> None:
        self.count += 1
        if self.count <= MAX_DETAILS:
            self.details.append(detail)

    def raise_any(self) -> None:
        if self.count:
            more = f"; the first {MAX_DETAILS} are listed" if self.count > MAX_DETAILS else ""
            cells = "cell does" if self.count == 1 else "cells do"
            raise SignatureMismatch(f"{self.count} {cells} not fit the model's signature{more}.", self.details)


@cache
def warn_of_similar(name: str) -> None:
    """Once, since the column is optional: it may have been left out."""
    logger.warning("the optional column %s is missing, and one with a similar name is there, which is ignored", name)


def param_value(param: Param, value: Any) -> Any:
    """Null only where the default is null: the model knows what to make of it there."""
    try:
        if value is None:
            if param.default is not None:
                raise ValueError("is null")
            return None
        if not param.is_list:
            return python_value(param.kind.cell(value))
        if type(value) is not list:
            raise ValueError("needs an array")
        return [python_value(param.kind.cell(item)) for item in value]
    except ValueError as error:
        raise InvalidParams(f"The param {param.name} does not fit: {error}.") from None


def from_mlmodel(raw: Mapping[str, Any] | None) -> Signature | None:
    """`raw` is the `signature` mapping of an MLmodel file, with JSON texts or decoded. None if there is no signature.
    Raises VersionUnusable for an unknown form."""
    if not raw:
        return None
    texts = {key: raw.get(key) for key in ("inputs", "outputs", "params")}
    try:
        decoded = {key: json.loads(text) if isinstance(text, str) else text for key, text in texts.items()}
        inputs = decoded["inputs"]
        if not inputs:
            return None
        if len({"name" in spec for spec in inputs}) > 1:
            raise ValueError("columns with and without names")
        columns = tuple(column_of(spec, place) for place, spec in enumerate(inputs))
        params = tuple(param_of(spec) for spec in decoded["params"] or ())
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise VersionUnusable(
            f"The signature in MLmodel has a form this server does not know ({type(error).__name__})."
        ) from error
    return Signature(columns, params, named="name" in inputs[0], raw=decoded)


def column_of(spec: Mapping[str, Any], place: int) -> Column:
    name = str(spec.get("name", place))
    required = spec.get("required", True) and not spec.get("optional", False)
    if spec["type"] == "tensor":
        tensor = spec["tensor-spec"]
        return Column(name, Tensor(tensor["dtype"], tensor["shape"]), required)
    return Column(name, column_type(spec), required)


def param_of(spec: Mapping[str, Any]) -> Param:
    kind = SCALARS.get(spec.get("type", ""), AnyType())
    return Param(str(spec["name"]), kind, spec.get("default"), is_list=spec.get("shape") is not None)


def check_table(table: Table, signature: Signature | None) -> Batch:
    return signature.check(table) if signature else infer(table)


def infer(table: Table) -> Batch:
    """Each column gets the type of its values, or Python objects if there are several types. Raises SignatureMismatch
    for whole numbers that the column's type cannot keep."""
    bad = CellErrors()
    columns = {}
    for place, (name, values) in enumerate(table.columns.items()):
        bad.name = f"column {place}"  # the name is the caller's own text, which no answer repeats
        columns[name] = infer_type(values).check(values, required=False, report=bad)
    bad.raise_any()
    return Batch(columns, table.rows)


def infer_type(values: Sequence[Any]) -> ColumnType:
    types = {type(value) for value in values if value is not None and value is not MISSING}
    if types <= {int, float, Decimal} and types:
        return SCALARS["long" if types == {int} else "double"]
    if types == {bool}:
        return SCALARS["boolean"]
    if types == {bytes}:
        return SCALARS["binary"]
    if types == {np.datetime64}:
        return SCALARS["datetime"]
    return SCALARS["string"] if types == {str} else AnyType()


def infer_text(columns: Mapping[str, Sequence[str]], rows: int) -> Table:
    """Texts as whole numbers where all are, else as numbers where all are, else as they stand."""
    parsed: dict[str, Sequence[Any]] = {}
    for name, texts in columns.items():
        for kind in (SCALARS["long"], SCALARS["double"], SCALARS["boolean"], SCALARS["string"]):
            values = [kind.text(text) for text in texts]
            if not any(type(value) is str for value in values):
                break
        parsed[name] = values
    return Table(parsed, rows)
