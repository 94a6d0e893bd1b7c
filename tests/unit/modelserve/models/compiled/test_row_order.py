from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from modelserve.models.compiled.packing import CODES, NUMBERS, Split
from modelserve.models.compiled.row_order import BITS, CHUNK, RowOrder

RANDOM = np.random.default_rng(5)
ROWS = CHUNK + 100
NUMERIC = RANDOM.normal(size=(ROWS, 3))
COLORS = RANDOM.integers(0, 4, (ROWS, 2))
SPLITS = [Split(NUMBERS, 0, 0.0), Split(CODES, 1, 2), Split(NUMBERS, 2, 0.5), Split(CODES, 0, 1)]
FEEDS: dict[str, dict[str, Any]] = {
    "both": {NUMBERS: NUMERIC, CODES: COLORS},
    "bytes": {NUMBERS: NUMERIC, CODES: COLORS.astype(np.uint8)},
    "nulls": {NUMBERS: np.where(NUMERIC > 0, np.nan, NUMERIC), CODES: COLORS},
    "infinite": {NUMBERS: np.where(NUMERIC > 0, np.inf, -np.inf), CODES: COLORS},
    "constant": {NUMBERS: np.zeros((ROWS, 3)), CODES: np.zeros((ROWS, 2), np.int64)},
    "one row": {NUMBERS: NUMERIC[:1], CODES: COLORS[:1]},
}


def sides(feeds: dict[str, Any]) -> Any:
    """(rows, splits), of `SPLITS`."""
    numbers, codes = feeds[NUMBERS], feeds[CODES]
    return np.stack([numbers[:, 0] <= 0, codes[:, 1] == 2, numbers[:, 2] <= 0.5, codes[:, 0] == 1], axis=1)


@pytest.mark.parametrize("feeds", FEEDS.values(), ids=FEEDS)
def test_each_row_has_one_place(feeds: dict[str, Any]) -> None:
    rows = len(feeds[NUMBERS])
    found = RowOrder(SPLITS).places(feeds, rows)
    assert found is not None
    assert sorted(found) == list(range(rows))


def test_rows_of_the_same_sides_are_neighbours_and_the_next_ones_differ_in_one_split() -> None:
    found = RowOrder(SPLITS).places(FEEDS["both"], ROWS)
    ordered = sides(FEEDS["both"])[found].astype(int)
    changes = np.abs(np.diff(ordered, axis=0)).sum(axis=1)
    assert np.bincount(changes).tolist() == [ROWS - 1 - 15, 15]  # between 16 groups


def test_the_first_split_counts_most() -> None:
    found = RowOrder(SPLITS).places(FEEDS["both"], ROWS)
    first = sides(FEEDS["both"])[found][:, 0].astype(int)
    assert np.abs(np.diff(first)).sum() == 1


def test_bytes_are_ordered_as_the_integers_that_they_are() -> None:
    order = RowOrder(SPLITS)
    np.testing.assert_array_equal(order.places(FEEDS["bytes"], ROWS), order.places(FEEDS["both"], ROWS))


def test_without_splits_there_is_no_order() -> None:
    assert RowOrder([]).places({NUMBERS: NUMERIC}, ROWS) is None


def test_splits_beyond_those_of_a_key_do_not_count() -> None:
    many = [Split(NUMBERS, 0, value) for value in np.linspace(-2, 2, 2 * BITS)]
    feeds = {NUMBERS: NUMERIC}
    np.testing.assert_array_equal(RowOrder(many).places(feeds, ROWS), RowOrder(many[:BITS]).places(feeds, ROWS))
