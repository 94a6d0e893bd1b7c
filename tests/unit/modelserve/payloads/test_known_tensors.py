"""A description that came before is read again without its JSON, and gives what it gave."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from decoding import LIMITS, outcome, shown
from modelserve.core.errors import ServeError
from modelserve.payloads.decode import BodyDecoder, Protocol, binary_type
from modelserve.payloads.known_tensors import MAX_KNOWN
from modelserve.schema.batch import Matrix
from signatures import nameless, signature

DOUBLES, LONGS = signature(a="double", b="double"), signature(a="long", b="long")
DTYPES = {"FP64": "<f8", "FP32": "<f4", "INT64": "<i8", "INT8": "i1", "BOOL": "?"}


def body(values: Any, datatype: str = "FP64", names: str = "", **more: Any) -> tuple[bytes, str]:
    """One tensor of all columns, or one for each of the names."""
    array = np.array(values)
    parts = dict(zip(names, array.T, strict=True)) if names else {"m": array}
    dumped = {name: part.astype(DTYPES[datatype]).tobytes() for name, part in parts.items()}
    inputs = [
        {"name": name, "shape": list(parts[name].shape), "datatype": datatype, "parameters": {"binary_data_size": len(data)}}
        for name, data in dumped.items()
    ]  # fmt: skip
    head = json.dumps({"inputs": inputs, **more}).encode()
    return head + b"".join(dumped.values()), binary_type(len(head))


def decode(decoder: BodyDecoder, data: bytes, kind: str) -> Any:
    try:
        return shown(decoder.decode(data, kind, Protocol.V2))
    except ServeError as error:
        return outcome(error)


ROWS = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]


@pytest.mark.parametrize("names", ["", "ab", "ba"])
@pytest.mark.parametrize("rows", [1, 3, 17])
@pytest.mark.parametrize(("known", "datatype"), [(DOUBLES, "FP64"), (DOUBLES, "INT8"), (LONGS, "INT64"), (LONGS, "FP32")])  # fmt: skip
def test_the_same_description_with_other_numbers_is_taken_alike(
    known: Any, datatype: str, rows: int, names: str
) -> None:
    decoder = BodyDecoder(known, LIMITS)
    first, kind = body((ROWS * 9)[:rows], datatype, names, id="i", outputs=[{"name": "predict"}])
    assert decoder.decode_typed(first, kind, Protocol.V2) is None
    decode(decoder, first, kind)
    second, _ = body((ROWS[::-1] * 9)[:rows], datatype, names, id="i", outputs=[{"name": "predict"}])
    found = decoder.decode_typed(second, kind, Protocol.V2)
    assert found is not None
    assert shown(found) == decode(BodyDecoder(known, LIMITS), second, kind)
    assert isinstance(found.batch.cells, Matrix)
    assert found.batch.cells.array.flags.carray  # as ONNX Runtime takes it: aligned, row by row


@pytest.mark.parametrize(
    ("known", "values"),
    [
        (DOUBLES, [[1.0, np.nan]]), (DOUBLES, [[1.0, np.inf]]), (LONGS, [[1.0, 0.5]]), (LONGS, [[1.0, 1e300]]), (LONGS, [[1.0, 2.0**53]]),
    ],
)  # fmt: skip
def test_numbers_that_do_not_fit_are_left_to_the_reporting_decoder(known: Any, values: Any) -> None:
    decoder = BodyDecoder(known, LIMITS)
    decode(decoder, *body([[1.0, 2.0]]))
    data, kind = body(values)
    assert decoder.decode_typed(data, kind, Protocol.V2) is None
    assert decode(decoder, data, kind) == decode(BodyDecoder(known, LIMITS), data, kind)


def test_a_number_whose_square_is_none_is_taken() -> None:
    decoder = BodyDecoder(DOUBLES, LIMITS)
    decode(decoder, *body([[1.0, 2.0]]))
    data, kind = body([[1e200, 1.0]])
    found = decoder.decode_typed(data, kind, Protocol.V2)
    assert found is not None
    assert shown(found) == decode(BodyDecoder(DOUBLES, LIMITS), data, kind)


def test_whole_numbers_that_a_double_would_round_are_left_to_the_reporting_decoder() -> None:
    decoder = BodyDecoder(LONGS, LIMITS)
    decode(decoder, *body([[1, 2]], "INT64"))
    assert decoder.decode_typed(*body([[1, 2]], "INT64"), Protocol.V2)
    assert decoder.decode_typed(*body([[1, 2**53]], "INT64"), Protocol.V2) is None


def test_another_number_of_bytes_is_left_to_the_reporting_decoder() -> None:
    decoder = BodyDecoder(DOUBLES, LIMITS)
    data, kind = body(ROWS)
    decode(decoder, data, kind)
    for other in (data + b"0", data[:-1], data[:-8]):
        assert decoder.decode_typed(other, kind, Protocol.V2) is None
        assert decode(decoder, other, kind) == decode(BodyDecoder(DOUBLES, LIMITS), other, kind)


@pytest.mark.parametrize(
    ("known", "first"),
    [
        (None, body(ROWS)), (signature(a="double", b="long"), body(ROWS)), (DOUBLES, body([[True, False]], "BOOL")),
        (signature(a="boolean", b="boolean"), body([[True, False]], "BOOL", "ab")), (nameless("double", "double"), body(ROWS, names="pq")),
        (signature(a="double", b="double?"), body([[1.0]], names="a")), (signature(a="double"), body(ROWS, names="ab")),
        (DOUBLES, body(ROWS, pad="x" * 9_000)),
    ],
    ids=range(8),
)  # fmt: skip
def test_whatever_is_not_plain_is_not_remembered(known: Any, first: tuple[bytes, str]) -> None:
    decoder = BodyDecoder(known, LIMITS)
    decode(decoder, *first)
    assert decoder.decode_typed(*first, Protocol.V2) is None


def test_few_descriptions_are_remembered() -> None:
    decoder = BodyDecoder(DOUBLES, LIMITS)
    for number in range(MAX_KNOWN + 1):
        decode(decoder, *body(ROWS, id=str(number)))
    known = [decoder.decode_typed(*body(ROWS, id=str(n)), Protocol.V2) is not None for n in range(MAX_KNOWN + 1)]
    assert known == [False] * MAX_KNOWN + [True]
