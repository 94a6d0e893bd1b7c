from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from modelserve.core.errors import MalformedRequest, ServeError, SignatureMismatch, TooLarge
from modelserve.events import records
from modelserve.events.records import Records
from modelserve.schema.signature import Signature
from signatures import LIMITS, signature, signature_of, tensor

PAIR = signature(a="long", s="string")
GOOD = {"a": 1, "s": "x"}


def parse(value: Any, known: Signature | None = PAIR, features: str = "", own: str = "") -> Records:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return records.parse(data, known, LIMITS, features, own)


@pytest.mark.parametrize(
    ("value", "features", "own", "ids"),
    [
        (GOOD, "", "", [None]),
        ([GOOD, GOOD], "", "", [None, None]),
        ({"ride": GOOD, "ride_id": 256}, "ride", "ride_id", [256]),
        ([{"ride": GOOD, "ride_id": "r"}, {"ride": GOOD}], "ride", "ride_id", ["r", None]),
        (GOOD | {"ride_id": 1.5}, "ride", "ride_id", [1.5]),
        (GOOD | {"ride_id": 7}, "", "ride_id", [7]),
        ({"ride": GOOD, "instances": 5}, "ride", "", [None]),
        ({"dataframe_split": {"columns": ["a", "s"], "data": [[1, "x"]]}}, "", "", [None]),
        ({"instances": [GOOD, GOOD]}, "ride", "", [None, None]),
    ],
)
def test_records_come_with_their_ids(value: Any, features: str, own: str, ids: list[Any]) -> None:
    found = parse(value, PAIR, features, own)
    (batch,) = records.check(found, PAIR)
    assert (found.ids, found.places, found.rejected) == (ids, list(range(len(ids))), [])
    assert batch.columns["a"].tolist() == [1] * len(ids)


def test_messages_are_checked_at_once_where_each_is_what_it_would_be_alone() -> None:
    found = [parse(GOOD), parse([GOOD, {"a": 2, "s": "y"}])]
    batch = records.check_merged(found, PAIR, max_rows=3)
    assert batch is not None
    assert {name: column.tolist() for name, column in batch.columns.items()} == {"a": [1, 1, 2], "s": ["x", "x", "y"]}
    assert records.check_merged(found, PAIR, max_rows=2) is None, "that is more than one call of the model takes"
    nothing = parse(["no record"])
    assert records.check_merged([*found, nothing], PAIR, max_rows=9) is None
    for other in ({"a": "far", "s": "x"}, {"instances": [GOOD], "params": {"predict_method": "p"}}):
        assert records.check_merged([*found, parse(other)], PAIR, max_rows=9) is None


def test_forms_bring_their_params_and_method() -> None:
    found = parse({"instances": [GOOD], "params": {"predict_method": "p", "k": 1}})
    assert (found.method, found.params) == ("p", {"k": 1})


def test_tensors_of_the_v2_protocol_are_records_too() -> None:
    value = {"inputs": [{"name": "t", "shape": [2, 2], "datatype": "FP64", "data": [1, 2, 3, 4]}]}
    known = signature_of([tensor("float64", -1, 2, name="t")])
    assert records.check(parse(value, known), known)[0].columns["t"].tolist() == [[1, 2], [3, 4]]


REFUSED: list[tuple[Any, type[ServeError], str]] = [
    (b"", MalformedRequest, "The message has no data."),
    (b"[]", MalformedRequest, "The message has no records."),
    ({"instances": []}, MalformedRequest, "The message has no records."),
    ({"dataframe_split": {"columns": ["a", "b"], "data": []}}, MalformedRequest, "The message has no records."),
    (b"{", MalformedRequest, "The body is not valid JSON."),
    (b'{"a":1,"a":2}', MalformedRequest, "An object in the body has the same key twice."),
    ({"instances": 5}, MalformedRequest, "instances must be a list, one item per row, or an object of columns."),
    ([GOOD] * 101, TooLarge, "The request has more than 100 rows"),
    ([5] * 101, TooLarge, "The request has more than 100 rows"),
    ({str(n): 0 for n in range(51)}, TooLarge, "A row has more than 50 columns"),
]


@pytest.mark.parametrize(("value", "error", "message"), REFUSED, ids=range(len(REFUSED)))
def test_a_message_without_records_to_tell_apart_is_refused_whole(
    value: Any, error: type[ServeError], message: str
) -> None:
    with pytest.raises(error) as raised:
        parse(value)
    assert message in raised.value.message


def test_what_is_no_record_is_kept_apart_with_its_place_and_reason() -> None:
    found = parse([5, {"ride": GOOD}, {"ride": 5}, {"ride": GOOD, "id": [1]}], PAIR, "ride", "id")
    assert [(one.place, json.loads(one.data), one.error.message) for one in found.rejected] == [
        (0, 5, "A record must be an object."),
        (2, {"ride": 5}, "The field ride must be an object."),
        (3, {"ride": GOOD, "id": [1]}, "The field id must be a string or a number."),
    ]
    assert [batch.rows for batch in records.check(found, PAIR)] == [1]
    assert found.places == [1]


def test_the_good_records_of_a_message_are_kept_and_the_bad_ones_named() -> None:
    wrong = GOOD | {"a": 1.7}
    found = parse([GOOD, wrong, GOOD | {"a": 3, "id": 9}, {"s": "x"}], PAIR, "", "id")
    (batch,) = records.check(found, PAIR)
    assert batch.columns["a"].tolist() == [1, 3]
    assert (found.places, found.ids) == ([0, 2], [None, 9])
    assert [(one.place, json.loads(one.data)) for one in found.rejected] == [(1, wrong), (3, {"s": "x"})]
    assert [one.error.details[0]["column"] for one in found.rejected] == ["a", "a"]


def test_one_bad_record_leaves_nothing() -> None:
    found = parse({"ride": {"a": "secret"}, "id": 7}, PAIR, "ride", "id")
    assert records.check(found, PAIR) == []
    assert (found.places, found.ids) == ([], [])
    assert json.loads(found.rejected[0].data) == {"ride": {"a": "secret"}, "id": 7}
    assert isinstance(found.rejected[0].error, SignatureMismatch)
    assert "secret" not in str(found.rejected[0].error.details)


def test_when_all_are_bad_nothing_is_left() -> None:
    found = parse([{"a": 1.5, "s": "x"}, {"a": 2.5, "s": "x"}])
    assert (records.check(found, PAIR), len(found.rejected), found.places) == ([], 2, [])


def test_a_bad_row_of_a_form_of_columns_is_kept_as_a_record() -> None:
    found = parse({"dataframe_records": [GOOD, {"a": 1.5}]})
    assert [batch.rows for batch in records.check(found, PAIR)] == [1]
    assert json.loads(found.rejected[0].data) == {"a": 1.5}


def test_without_a_signature_the_values_decide() -> None:
    found = parse([GOOD, {"a": 10**30}], None)
    assert records.check(found, None)[0].columns["a"].tolist() == [1]
    assert found.rejected[0].data == b'{"a":1000000000000000000000000000000}'


def test_rows_that_fit_alone_but_not_together_are_all_scored() -> None:
    """A double cannot keep the second number, and no whole number of 64 bits is the fourth."""
    found = parse([{"a": 1.5}, {"a": 2**53 + 1}, {"a": 2.5}, {"a": 10**30}], None)
    batches = records.check(found, None)
    assert [value for batch in batches for value in batch.columns["a"].tolist()] == [1.5, 2**53 + 1, 2.5]
    assert (found.places, [one.place for one in found.rejected]) == ([0, 1, 2], [3])


def test_a_record_that_is_too_wide_leaves_the_others() -> None:
    found = parse([GOOD, {str(n): 0 for n in range(51)}])
    assert [one.error.code for one in found.rejected] == ["TOO_LARGE"]
    assert [batch.rows for batch in records.check(found, PAIR)] == [1]


@pytest.mark.parametrize("own", ["i" * 1025, "é" * 513])
def test_an_id_that_pubsub_would_not_keep_is_refused_with_its_record(own: str) -> None:
    found = parse([GOOD | {"id": own}, GOOD | {"id": own[:512]}], PAIR, "", "id")
    assert [one.error.message for one in found.rejected] == ["The field id is longer than 1024 bytes."]
    assert found.ids == [own[:512]]


@pytest.mark.parametrize(
    "data", [b'[{"a": 1}, {"b": 1}, {"c": 1}, {}]', b'{"x": 1, "y": [[], [], [], [], [], []]}', b'"' + b"{" * 9]
)
def test_more_values_than_the_limit_are_not_made(data: bytes) -> None:
    with pytest.raises(TooLarge, match="more than 7 values"):
        records.parse(data, signature(x="double"), replace(LIMITS, cells=7), "", "")
