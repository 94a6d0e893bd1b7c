"""Messages that are there together: what is scored in one call, and that one cannot spoil another."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from modelserve.core.errors import MalformedRequest, ModelFailed, SignatureMismatch
from modelserve.core.metrics import Metrics
from modelserve.core.settings import Settings
from modelserve.events.envelopes import Message
from modelserve.events.messages import MessageScorer, Outcome
from modelserve.models.protocols import Scorer
from modelserve.models.scorers.inline import InlineScorer
from modelserve.models.scorers.outputs import RowsMismatch
from modelserve.payloads.json import strict as strict_json
from modelserve.schema.batch import Batch
from signatures import signature
from tiny import Tiny, double, loaded


def score(
    runtime: Tiny, *bodies: bytes, kind: str = "double?", scorer: Scorer | None = None, **settings: str
) -> list[Any]:
    """Per message its predictions, or the codes of what is bad in it, or the error that asks for it again."""
    with loaded(runtime, signature(x=kind)) as found:
        made = found if scorer is None else replace(found, scorer=scorer)
        messages = MessageScorer(Settings.from_environ(settings), Metrics(enabled=False))
        together = [Message(body, f"m{number}") for number, body in enumerate(bodies)]
        return [summarise(one) for one in asyncio.run(messages.score(made, together))]


def summarise(one: Outcome) -> Any:
    if isinstance(one, Exception):
        return type(one)
    values = [strict_json.decode(result.body, 10)["prediction"]["prediction"] for result in one.results]
    return values + [rejected.error.code for rejected in one.rejected]


def test_messages_are_scored_in_one_call_and_each_gets_its_own() -> None:
    runtime = Tiny()
    assert score(runtime, b'{"x":1}', b'[{"x":2},{"x":3}]', b'{"x":4}') == [[2.0], [4.0, 6.0], [8.0]]
    assert runtime.sizes == [4]


def test_what_is_bad_is_left_out_of_the_call() -> None:
    runtime = Tiny()
    found = score(runtime, b'{"x":1}', b"poison", b'[{"x":2},{"x":"far"}]', b"[]", b'{"x":3}')
    assert found == [[2.0], ["MALFORMED_REQUEST"], [4.0, "SIGNATURE_MISMATCH"], ["MALFORMED_REQUEST"], [6.0]]
    assert runtime.sizes == [3]


def test_a_message_whose_envelope_is_wrong_is_a_dead_letter_whatever_its_data_says() -> None:
    with loaded(Tiny(), signature(x="double")) as made:
        messages = MessageScorer(Settings.from_environ({}), Metrics(enabled=False))
        wrong = Message(b'{"x":1}', "m", error=MalformedRequest("no base64"))
        (outcome,) = asyncio.run(messages.score(made, [wrong]))
    assert summarise(outcome) == ["MALFORMED_REQUEST"]


def test_a_message_that_the_model_fails_on_spoils_no_other() -> None:
    def fails(batch: Batch) -> Any:
        if (batch.columns["x"] == 2).any():
            raise ValueError("two")
        return double(batch)

    runtime = Tiny(fails)
    assert score(runtime, b'{"x":1}', b'{"x":2}', b'{"x":3}') == [[2.0], ModelFailed, [6.0]]


def drop_twos(batch: Batch) -> Any:
    return batch.columns["x"][batch.columns["x"] != 2]


@pytest.mark.parametrize("other", [b'{"x":4}', b'[{"x":4},{"x":"far"}]'], ids=["at once", "apart"])
def test_a_record_that_the_model_drops_takes_no_other_records_answer(other: bytes) -> None:
    found = score(Tiny(drop_twos), b'{"x":1}', b'{"x":2}', b'[{"x":2},{"x":3}]', other)
    assert found == [
        [1.0],
        RowsMismatch,
        [3.0, "MODEL_FAILED"],
        [4.0] if other == b'{"x":4}' else [4.0, "SIGNATURE_MISMATCH"],
    ]


def test_a_message_none_of_whose_records_is_answered_comes_again() -> None:
    assert score(Tiny(drop_twos), b'[{"x":2},{"x":2}]') == [RowsMismatch]


def refuse_twos(batch: Batch) -> Any:
    """As a compiled model does with whole numbers that it would round."""
    if rows := np.flatnonzero(batch.columns["x"] == 2).tolist():
        raise SignatureMismatch("", [{"row": row, "column": "x", "reason": "two"} for row in rows])
    return batch.columns["x"]


def test_a_record_that_fits_only_the_signature_goes_alone_to_the_dead_letters() -> None:
    runtime = Tiny(refuse_twos)
    found = score(
        runtime,
        b'{"x":1}',
        b'{"x":2}',
        b'[{"x":2},{"x":3},{"x":2}]',
        b'[{"x":2}]',
        scorer=InlineScorer(runtime, 1_000, 100),
    )
    bad = "SIGNATURE_MISMATCH"
    assert found == [[1.0], [bad], [3.0, bad, bad], [bad]]
    assert runtime.sizes == [6, 2]


@pytest.mark.parametrize("other", [b'{"x":"b"}', b'[{"x":"b"},{"x":4}]'], ids=["at once", "apart"])
def test_cells_with_an_unknown_category_are_counted_for_each_record(other: bytes) -> None:
    with loaded(Tiny(), signature(x="string"), categories={"x": ["a"]}) as made:
        messages = MessageScorer(Settings.from_environ({}), Metrics(enabled=False))
        bodies = (b'[{"x":"b"},{"x":"a"}]', b'{"x":"a"}', other)
        found: Any = asyncio.run(messages.score(made, [Message(body, "m") for body in bodies]))
    assert [[result.unknown_categories for result in one.results] for one in found] == [[1, 0], [0], [1]]


class Wordless:
    def __str__(self) -> str:
        raise ValueError("it has no form")


@pytest.mark.parametrize(("given", "error"), [("\ud800", UnicodeEncodeError), (Wordless(), ValueError)])
def test_an_answer_that_has_no_form_in_json_spoils_no_other(given: object, error: type[Exception]) -> None:
    def answers(batch: Batch) -> Any:
        return np.array([given if x == 2 else "fine" for x in batch.columns["x"]], dtype=object)

    assert score(Tiny(answers), b'{"x":1}', b'{"x":2}', b'{"x":3}') == [["fine"], error, ["fine"]]
    mixed = score(Tiny(answers), b'{"x":1}', b'{"x":2}', b'{"x":"far"}', b'{"x":3}')  # checked one by one
    assert mixed == [["fine"], error, ["SIGNATURE_MISMATCH"], ["fine"]]


def test_messages_that_failed_together_are_not_tried_together_again() -> None:
    def fails(batch: Batch) -> Any:
        raise ValueError("always")

    runtime = Tiny(fails)
    found = score(runtime, b'{"x":1}', b'{"x":2}', b'{"x":3}', scorer=InlineScorer(runtime, 1_000, 100))
    assert found == [ModelFailed] * 3
    assert runtime.sizes == [3, 1, 1, 1]


def test_a_method_that_the_model_lacks_is_that_messages_own_fault() -> None:
    asked = b'{"instances":[{"x":2}],"params":{"predict_method":"explain"}}'
    runtime = Tiny()
    assert score(runtime, b'{"x":1}', asked, b'{"x":3}') == [[2.0], ["UNKNOWN_METHOD"], [6.0]]
    assert runtime.sizes == [2]


def test_no_call_has_more_rows_than_the_limit_unless_one_message_has() -> None:
    runtime = Tiny()
    one, two, three = b'{"x":1}', b'[{"x":1},{"x":1}]', b'[{"x":1},{"x":1},{"x":1}]'
    score(runtime, one, one, one, three, two, scorer=InlineScorer(runtime, 1_000, 100), MAX_BATCH_ROWS="2")
    assert runtime.sizes == [2, 1, 3, 2]


@pytest.mark.parametrize(
    ("kind", "bodies", "types"),
    [
        ("long?", (b"1", b"null", b"2"), ["int64", "float64", "int64"]),
        ("boolean?", (b"true", b"null"), ["bool", "object"]),
        ("long?", (b"1", b"9007199254740993"), ["int64", "int64"]),
        ("long?", (b"null", b"9007199254740993"), ["float64", "int64"]),
    ],
)
def test_a_message_is_what_it_is_alone_whatever_came_with_it(
    kind: str, bodies: Sequence[bytes], types: Sequence[str]
) -> None:
    runtime = Tiny(lambda batch: np.array([str(batch.columns["x"].dtype)] * batch.rows))
    found = score(runtime, *(b'{"x":%b}' % body for body in bodies), kind=kind)
    assert found == [[name] for name in types]


def test_rows_that_depend_on_each_other_are_not_put_together() -> None:
    runtime = Tiny(mergeable=False)
    assert score(runtime, b'{"x":1}', b'{"x":2}') == [[2.0], [4.0]]
    assert runtime.sizes == [1, 1]
