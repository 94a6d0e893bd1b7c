"""A body read by the typed decoder and by the reporting one: where both take it, everything must be the same."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from msgspec.structs import replace

from modelserve.models.compiled.packing import Input, Lookup, Packing, Plan
from modelserve.payloads import Limits
from modelserve.payloads.decode import JSON, BodyDecoder, CheckedBody, Protocol, decode_body
from modelserve.schema.batch import Batch, Table
from modelserve.schema.signature import Signature, check_table

NUMERIC = ("integer", "long", "float", "double", "boolean")
KEYS: Mapping[str, list[Any]] = {"string": ["a", "", "é", ":"], "boolean": [True]}
LIMITS = Limits(rows=50, columns=40, depth=10)


def packing_of(signature: Signature) -> Packing:
    """Each number as a double, each category of a column as a code, each text as a tensor of its own."""
    inputs = [Input(column.name, column.kind.name, nullable=True) for column in signature.columns]
    numbers = [one for one in inputs if one.kind in NUMERIC]
    looked_up = [one for one in inputs if one.kind in (*NUMERIC, "string")]
    keys = [KEYS.get(one.kind, [0, 1, 2.5]) for one in looked_up]
    lookups = [Lookup(one, known, range(len(known)), 90) for one, known in zip(looked_up, keys, strict=True)]
    texts = [dataclasses.replace(one, lower=place % 2 == 0) for place, one in enumerate(inputs) if one.kind == "string"]
    return Packing(Plan(numbers, lookups, {f"text_{place}": text for place, text in enumerate(texts)}))


class TwoDecoders:
    """With `categories` bodies are first read as if they held no other texts than those that are looked up."""

    def __init__(self, signature: Signature, limits: Limits = LIMITS, categories: bool = False) -> None:
        self.signature = signature
        self.limits = limits
        self.packing = packing_of(signature)
        self.decoder = BodyDecoder(signature, limits, self.packing.categories() if categories else None)
        assert self.decoder.typed is not None
        self.typed = self.decoder.typed

    def take(self, body: Any, protocol: Protocol = Protocol.PREDICT) -> CheckedBody | None:
        """What the typed decoder makes of a body, if anything. Whatever it takes the reporting decoder takes as the same."""
        data = as_bytes(body)
        checked = self.decoder.decode_typed(data, JSON, protocol)
        if checked is not None:
            payload = decode_body(data, JSON, protocol, self.signature, self.limits)
            batch = check_table(payload.table, self.signature)
            assert_same_payload(checked, CheckedBody(payload.without_cells(), batch))
            assert batch.cells is None
            assert checked.batch.cells is not None
            assert_same_tensors(self.packing.of_batch(checked.batch), self.packing.of_batch(batch))
            assert_same_arrays(checked.batch, batch)
        return checked

    def learn(self, body: Any) -> None:
        """Have the typed decoder learn the extra columns of a record."""
        self.decoder.decode_reporting(as_bytes(body), JSON, Protocol.PREDICT)


def as_bytes(body: Any) -> bytes:
    return body if type(body) is bytes else json.dumps(body, ensure_ascii=False).encode(errors="surrogatepass")


def assert_same_payload(one: CheckedBody, other: CheckedBody) -> None:
    found, expected = one.payload, other.payload
    assert (found.table.rows, found.table.others) == (expected.table.rows, expected.table.others)
    nothing = Table({}, 0)
    # As texts, for 1, 1.0 and True are equal, as are 0.0 and -0.0.
    assert repr(replace(found, table=nothing)) == repr(replace(expected, table=nothing))
    assert one.batch.rows == other.batch.rows


def assert_same_arrays(one: Batch, other: Batch) -> None:
    assert list(one.columns) == list(other.columns)
    for name, array in one.columns.items():
        expected = other.columns[name]
        assert array.dtype == expected.dtype, name
        if array.dtype == object:
            assert list(map(repr, array)) == list(map(repr, expected)), name
        else:
            assert_same_numbers(array, expected)


def assert_same_tensors(one: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert (tensor.dtype, tensor.shape) == (other[name].dtype, other[name].shape)
        if tensor.dtype == object:
            assert tensor.tolist() == other[name].tolist()
        else:
            assert_same_numbers(tensor, other[name])


def assert_same_numbers(one: Any, other: Any) -> None:
    np.testing.assert_array_equal(one, other)
    if one.dtype.kind == "f":  # zero and negative zero are equal
        np.testing.assert_array_equal(np.signbit(one), np.signbit(other))
