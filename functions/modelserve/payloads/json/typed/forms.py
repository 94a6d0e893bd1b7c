"""Plain records and MLflow's forms."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import astuple

from modelserve.payloads import Limits, Payload, PayloadForm
from modelserve.payloads.json.mlflow import FORMS, split_params
from modelserve.payloads.json.strict import measure
from modelserve.payloads.json.typed.cells import (
    MAX_COLUMNS,
    Categories,
    Cells,
    Scalar,
    Unusual,
    cell_type,
    check_keys,
)
from modelserve.payloads.json.typed.layouts import Layouts
from modelserve.schema.batch import Table
from modelserve.schema.extra_columns import NO_EXTRA_COLUMNS, ExtraColumns
from modelserve.schema.signature import Signature

FORM_START: Final = re.compile(rb'\s*\{\s*"(?:%s|params|parameters)"' % "|".join(FORMS).encode())


class Heading(msgspec.Struct, gc=False):
    """The columns of a `dataframe_split`, without its rows."""

    columns: list[str]


class Headings(msgspec.Struct, gc=False):
    dataframe_split: Heading


HEADING_DECODER: Final = msgspec.json.Decoder(Headings)


class Forms:
    """Records may have the `extra` columns beside the signature's.

    Raises ValueError for a column that comes twice, or whose name is no text of Unicode.
    """

    def __init__(self, signature: Signature, limits: Limits, categories: Categories, extra: Sequence[str]) -> None:
        self.names = signature.names
        self.extra = extra
        self.columns = {column.name: column for column in signature.columns}
        self.categories = categories
        self.limits = limits
        self.cells = Cells(signature, limits, known=bool(categories))
        # The places of cells that a record may lack.
        self.optional = [place for place, column in enumerate(signature.columns) if not column.required]
        self.required = len(signature.columns) - len(self.optional)
        self.optional += range(len(self.names), len(self.names) + len(extra))
        cells = [cell_type(column, categories) for column in signature.columns]
        record = self._struct("Record", [*cells, *[Scalar] * len(extra)])
        lists: list[Any] = [list[cell] for cell in [*cells, *[Scalar] * len(extra)]]  # type: ignore[valid-type]  # made of what the version has
        columns = self._struct("Columns", lists)
        rows: Any = list[record | tuple[tuple(cells)]]  # type: ignore[misc]
        self.record_decoder = msgspec.json.Decoder(record | list[record])  # type: ignore[valid-type]  # as above
        self.fields: list[Any] = [
            ("dataframe_records", list[record] | UnsetType, UNSET),  # type: ignore[valid-type]  # as above
            ("instances", rows | UnsetType, UNSET),
            ("inputs", columns | rows | UnsetType, UNSET),
            *((name, dict[str, Any] | None | UnsetType, UNSET) for name in ("params", "parameters")),
        ]
        self.layouts: Layouts[tuple[str, ...], Layout] = Layouts(read_columns, self._make_layout, self.names)

    def _struct(self, name: str, types: Sequence[Any]) -> Any:
        keys = [*self.names, *self.extra]
        if len(set(keys)) < len(keys):
            raise ValueError("a column comes twice")
        places = [f"k{place}" for place in range(len(keys))]
        fields: list[Any] = list(zip(places, types, strict=True))
        for place in self.optional:
            fields[place] = (places[place], types[place] | UnsetType, UNSET)
        rename = dict(zip(places, keys, strict=True))
        return msgspec.defstruct(name, fields, rename=rename, kw_only=True, gc=False)

    def read_predict(self, data: bytes) -> Payload:
        """Plain records, or a form that names itself. Raises Unusual, or what msgspec raises."""
        return self.read_invocation(data) if FORM_START.match(data) else self._read_records(data)

    def read_invocation(self, data: bytes) -> Payload:
        request, layout = self.layouts.decode(data)
        given = [name for name in FORMS if getattr(request, name) is not UNSET]
        if len(given) != 1:
            raise Unusual
        (form,) = given
        value = getattr(request, form)
        if form == "dataframe_split":
            table, keys = self._split(value, layout)
        elif type(value) is list:
            table, keys = self._items(value)
        else:
            table, keys = self._columns(value)
        options = {}
        for option in ("params", "parameters"):
            asked = getattr(request, option)
            if asked is not UNSET:
                options[option] = asked
                keys += 1 + (measure(asked, self.limits.depth - 1) if asked else 0)
        check_keys(data, 1 + keys)
        params, method = split_params(options) if options else ({}, None)
        return Payload(table, params, method)

    def _read_records(self, data: bytes) -> Payload:
        value = self.record_decoder.decode(data)
        several = type(value) is list
        table, keys = self._records(value if several else [value])
        check_keys(data, keys)
        return Payload(table, form=PayloadForm.RECORDS if several else PayloadForm.RECORD)

    # --- each form: its table, and how many keys it has ---

    def _items(self, items: Sequence[Any]) -> tuple[Table, int]:
        """Records, or rows in the order of the signature."""
        kinds = set(map(type, items))
        if kinds == {tuple}:
            columns = dict(zip(self.names, zip(*items, strict=True), strict=True))
            return self.cells.table(columns, len(items)), 0
        if len(kinds) > 1:
            raise Unusual
        return self._records(items)

    def _records(self, records: Sequence[Any]) -> tuple[Table, int]:
        if not records:
            raise Unusual
        columns = list(zip(*map(astuple, records), strict=True))
        table, absent = self._table(columns, len(records))
        return table, len(records) * len(columns) - absent

    def _columns(self, value: Any) -> tuple[Table, int]:
        columns: list[Any] = list(astuple(value))
        (rows, *others) = {len(column) for column in columns if column is not UNSET} or [0]
        if others:
            raise Unusual
        keys = len(columns) - columns.count(UNSET)
        table, _ = self._table([(UNSET,) * rows if column is UNSET else column for column in columns], rows)
        return table, keys

    def _table(self, columns: Sequence[Sequence[Any]], rows: int) -> tuple[Table, int]:
        """`columns` are those of the signature, then the extra ones; absent cells are UNSET. Also says how many are."""
        known = dict(zip(self.names, columns, strict=False))
        if not self.required and (UNSET,) * len(known) in zip(*known.values(), strict=True):
            raise Unusual
        extra, absent = [], 0
        for place in self.optional:
            values = columns[place]
            missing = values.count(UNSET)
            absent += missing
            if place >= len(self.names):
                if missing < rows:
                    extra.append(self.extra[place - len(self.names)])
            elif missing:
                known[self.names[place]] = [None if value is UNSET else value for value in values]
        return self.cells.table(known, rows, ExtraColumns(frozenset(extra)) if extra else NO_EXTRA_COLUMNS), absent

    def _split(self, split: Any, layout: Layout) -> tuple[Table, int]:
        rows = split.data
        if split.index is not UNSET and len(split.index) != len(rows):
            raise Unusual
        return self.cells.table(layout.columns(rows), len(rows), layout.others), 2 if split.index is UNSET else 3

    def _make_layout(self, given: Sequence[str]) -> Layout:
        return Layout(given, self)


def read_columns(data: bytes) -> tuple[str, ...]:
    return tuple(HEADING_DECODER.decode(data).dataframe_split.columns)


class Layout:
    """The columns of a `dataframe_split`, in the order that its caller has them; the other forms are read as well. Raises
    Unusual."""

    def __init__(self, given: Sequence[str], forms: Forms) -> None:
        columns, places = forms.columns, {name: place for place, name in enumerate(given)}
        if len(places) < len(given) or len(given) > min(MAX_COLUMNS, forms.limits.columns):
            raise Unusual
        if (
            any(column.required and name not in places for name, column in columns.items())
            or not places.keys() & columns
        ):
            raise Unusual
        names: Any = tuple[tuple(Literal[name] for name in given)]  # type: ignore[misc]  # made of what came
        types = [cell_type(columns[name], forms.categories) if name in columns else Scalar for name in given]
        rows: Any = list[tuple[tuple(types)]]  # type: ignore[misc]  # made of what the version has
        fields: list[Any] = [("columns", names), ("data", rows), ("index", list[Scalar] | UnsetType, UNSET)]
        split: Any = msgspec.defstruct("Split", fields, forbid_unknown_fields=True, gc=False)
        request = msgspec.defstruct(
            "Request", [("dataframe_split", split | UnsetType, UNSET), *forms.fields], forbid_unknown_fields=True
        )
        self.decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(request)
        self.places = [(name, places.get(name)) for name in columns]
        extra = frozenset(given).difference(columns)
        self.others = ExtraColumns(extra) if extra else NO_EXTRA_COLUMNS

    def columns(self, rows: Sequence[Any]) -> dict[str, Any]:
        if not rows:
            raise Unusual
        found = list(zip(*rows, strict=True))
        nulls = (None,) * len(rows)
        return {name: nulls if place is None else found[place] for name, place in self.places}
