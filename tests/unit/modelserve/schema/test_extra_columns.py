from __future__ import annotations

import pytest

from modelserve.payloads import csv as text_csv
from modelserve.payloads.json import records as plain
from modelserve.schema.extra_columns import MOST_NAMES, ExtraColumns
from signatures import LIMITS, bad_cells, signature, table

MISSING = "a required column is missing"
ALIKE = "a required column is missing; one with a similar name is there"


@pytest.mark.parametrize(
    "sent",
    ["tenur", "tenuree", "tenare", "tenrue", "Tenure", "TENURE", " tenure", "ten_ure", "ten-ure", "Tenur e?", "éenure"],
)
def test_one_slip_is_alike(sent: str) -> None:
    assert ExtraColumns(frozenset({"age", sent})).like("tenure")


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("tnur", "tenure"), ("contract", "tenure"), ("", "tenure"), ("?", "tenure"), ("x1", "x2"), ("a", ""), ("", ""),
        ("-", "_"), ("tenure" * 20, "tenure" * 20 + "s"), ("\ud800", "tenure"),
    ],
)  # fmt: skip
def test_others_are_not(sent: str, name: str) -> None:
    assert not ExtraColumns(frozenset({sent})).like(name)


def test_a_misspelt_column_is_told_by_the_name_that_the_model_knows() -> None:
    both = signature(tenure="long", contract="string")
    sent = plain.parse({"tenur": 5, "contrakt": "a", "<script>": 1}, both, LIMITS)
    assert bad_cells(lambda: both.check(sent.table)) == [(None, "tenure", ALIKE), (None, "contract", ALIKE)]
    some = text_csv.parse(b"Tenure,kind\n5,a\n", both, LIMITS)
    assert bad_cells(lambda: both.check(some.table)) == [(None, "tenure", ALIKE), (None, "contract", MISSING)]
    assert bad_cells(lambda: both.check(table(contract=["a"]))) == [(None, "tenure", MISSING)]


class Counted(str):
    """A name that knows how often it was looked at."""

    looks = 0

    def casefold(self) -> str:
        self.looks += 1
        return super().casefold()


@pytest.mark.parametrize(("count", "looks"), [(MOST_NAMES, 1), (MOST_NAMES + 1, 0), (100_000, 0)])
def test_names_are_compared_only_when_they_are_few_and_only_once(count: int, looks: int) -> None:
    names = [Counted(f"tenur{place}") for place in range(count)]
    sent, name = ExtraColumns(frozenset(names)), Counted("tenure")
    assert [sent.like(name) for _ in range(1_000)] == [bool(looks)] * 1_000
    assert {one.looks for one in [*names, name]} == {looks}


def test_a_long_name_is_not_compared() -> None:
    name = Counted("x" * 1_000_000)
    assert not ExtraColumns(frozenset({name})).like("x")
    assert name.looks == 0
