"""Whatever the typed decoder takes the reporting decoder takes as the same, in every form, however a body is damaged."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from modelserve.payloads.decode import Protocol
from signatures import signature
from two_decoders import TwoDecoders, as_bytes

KINDS = {
    "t": "string",
    "n": "long",
    "x": "double",
    "f": "boolean",
    "i": "integer",
    "a:b": "string",
    "ü": "binary",
    "d": "datetime",
    "g": "float",
}
OPTIONAL = ("t", "x", "f", "a:b", "d", "g")
MIXED = {name: f"{kind}{'?' * (name in OPTIONAL)}" for name, kind in KINDS.items()}
ALL_OPTIONAL = {name: f"{kind}?" for name, kind in KINDS.items()}
DECODERS = [TwoDecoders(signature(**kinds), categories=kinds == MIXED) for kinds in (MIXED, ALL_OPTIONAL, KINDS)]
LEARNED = TwoDecoders(signature(**MIXED), categories=True)
LEARNED.learn({"n": 1, "i": 1, "ü": "", "id": 1, "u:v": 1})

# A colon in these looks like that of a key: such bodies are left to the reporting decoder.
TEXTS = st.sampled_from(
    ["", "a", "a:b", "C: ", "grün", "\U0001f600", "\n", "\\", "longer than eight letters"]
) | st.text(st.characters(codec="utf-8", exclude_characters='":'), max_size=5)
FITTING: dict[str, st.SearchStrategy[Any]] = {
    "t": TEXTS,
    "n": st.integers(1 - 2**53, 2**53 - 1),
    "x": st.integers(-9, 9) | st.floats(1 - 2**53, 2**53 - 1),
    "f": st.booleans(),
    "i": st.integers(-(2**31), 2**31 - 1),
    "a:b": TEXTS,
    "ü": st.sampled_from(["", "AAE=", "AA==", "/+A="]),
    "d": st.sampled_from(["2024-01-02", "1700-02-28T23:59:59.123456789Z", "2024-01-02 03:04+05:30"]),
    "g": st.integers(-(2**24), 2**24) | st.floats(width=32, allow_nan=False, allow_infinity=False),
}
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-5, 5), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=5),
    st.sampled_from([2**53, 2**53 + 1, -(2**31) - 1, 2**31, 2**24 + 1, 1e300, 5.0, -0.0, ":", '":', '" :', '\\":']), st.lists(st.integers(), max_size=1),
)  # fmt: skip
ABSENT: Any = object()


def records(fits: bool) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Some cells null, some absent; unless they are to fit, some of another type, some under another name."""

    def cell(name: str) -> st.SearchStrategy[Any]:
        found = FITTING[name] | (st.sampled_from([None, ABSENT]) if name in OPTIONAL else st.nothing())
        return found if fits else st.one_of(found, found, found, found, found, found, SCALARS, st.just(ABSENT))

    more = {} if fits else {"id": SCALARS, "u:v": SCALARS, "inputs": st.just(1)}
    record = st.fixed_dictionaries({name: cell(name) for name in KINDS}, optional=more)
    present = record.map(lambda one: {name: value for name, value in one.items() if value is not ABSENT})
    return st.lists(present, min_size=int(fits), max_size=3)


def forms(listed: list[dict[str, Any]]) -> dict[str, Any]:
    """These records in every form that is not plain."""
    names = list(dict.fromkeys([*(name for record in listed for name in record), "n"]))
    rows = [[record.get(name) for name in names] for record in listed]
    by_column = {name: [record.get(name) for record in listed] for name in names}
    return {
        "records": {"dataframe_records": listed},
        "instances": {"instances": listed},
        "inputs": {"inputs": listed},
        "rows": {"instances": [[record.get(name) for name in KINDS] for record in listed]},
        "columns": {"inputs": by_column},
        "split": {"dataframe_split": {"columns": names, "data": rows}},
        "indexed": {"dataframe_split": {"index": list(range(len(rows))), "data": rows, "columns": names}},
    }


FORMS = tuple(forms([]))
OPTIONS = st.fixed_dictionaries(
    {}, optional={name: st.none() | st.dictionaries(TEXTS, SCALARS, max_size=2) for name in ("params", "parameters")}
)


@settings(max_examples=300)
@given(records(fits=True), st.booleans(), st.sampled_from(DECODERS[:2]))
@example([{"n": 1, "i": 1, "ü": ""}], True, DECODERS[0])
def test_records_that_fit_are_taken(listed: list[dict[str, Any]], ascii_only: bool, two: TwoDecoders) -> None:
    for body in (listed, listed[0]):
        assert two.take(json.dumps(body, ensure_ascii=ascii_only).encode())


@settings(max_examples=300)
@given(records(fits=True), st.sampled_from(FORMS), st.sampled_from([None, 1]), st.sampled_from(DECODERS[:2]))
def test_every_form_of_records_that_fit_is_taken(
    listed: list[dict[str, Any]], form: str, indent: int | None, two: TwoDecoders
) -> None:
    assert two.take(json.dumps(forms(listed)[form], indent=indent).encode(), Protocol.INVOCATIONS)


@settings(max_examples=1_000)
@given(records(fits=False), st.booleans(), st.sampled_from([*DECODERS, LEARNED]))
def test_what_is_taken_of_any_records_is_the_same(
    listed: list[dict[str, Any]], ascii_only: bool, two: TwoDecoders
) -> None:
    for body in (listed, *listed[:1]):
        two.take(json.dumps(body, ensure_ascii=ascii_only).encode(errors="surrogatepass"))


@settings(max_examples=1_000)
@given(records(fits=False), st.sampled_from(FORMS), OPTIONS, st.sampled_from([*DECODERS, LEARNED]))
def test_what_is_taken_of_any_form_is_the_same(
    listed: list[dict[str, Any]], form: str, options: dict[str, Any], two: TwoDecoders
) -> None:
    two.take(as_bytes({**options, **forms(listed)[form]}), Protocol.INVOCATIONS)
    two.take(as_bytes({**forms(listed)[form], **options}))


GOOD = {"t": "grün", "n": 1, "x": 2.5, "i": 3, "a:b": "C: ", "ü": "AAE=", "id": 1}
BODIES = [as_bytes(body) for body in (GOOD, [GOOD] * 2, *forms([GOOD] * 2).values())]
PIECES = st.binary(max_size=3) | st.sampled_from(
    [b'"n":1,', b'"x": 1, ', b'"id":1,', b'"inputs":', b'":', b'" :', b"[", b"}"]
)


@settings(max_examples=1_000)
@given(
    st.sampled_from([DECODERS[1], LEARNED]),
    st.sampled_from(BODIES),
    st.lists(st.tuples(st.integers(0, 300), PIECES, st.integers(0, 3)), max_size=3),
)
def test_what_is_taken_of_a_damaged_body_is_the_same(
    two: TwoDecoders, data: bytes, damages: list[tuple[int, bytes, int]]
) -> None:
    for place, new, cut in damages:
        data = data[:place] + new + data[place + cut :]
    two.take(data)


@pytest.mark.parametrize("body", BODIES)
def test_what_is_damaged_above_is_taken_as_it_stands(body: bytes) -> None:
    assert LEARNED.take(body)
