from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from modelserve.models.compiled.packing import CODES, NUMBERS
from modelserve.models.compiled.row_order import MAX_COLUMNS, MIN_ROWS, is_faster_sorted, sort_rows

RANDOM = np.random.default_rng(5)
NUMERIC = RANDOM.normal(size=(MIN_ROWS, 3))
COLORS = RANDOM.integers(0, 4, (MIN_ROWS, 2))
FEEDS: dict[str, dict[str, Any]] = {
    "both": {NUMBERS: NUMERIC, CODES: COLORS},
    "numbers": {NUMBERS: NUMERIC},
    "categories": {CODES: COLORS - 1},
    "texts": {"t": np.full((MIN_ROWS, 1), "a", object)},
    "nulls": {NUMBERS: np.where(NUMERIC > 0, np.nan, NUMERIC)},
    "infinite": {NUMBERS: np.where(NUMERIC > 0, np.inf, -np.inf)},
    "constant": {NUMBERS: np.zeros((MIN_ROWS, 1)), CODES: np.zeros((MIN_ROWS, 1), np.int64)},
    "many": {NUMBERS: RANDOM.normal(size=(MIN_ROWS, 90)), CODES: RANDOM.integers(0, 1 << 40, (MIN_ROWS, 9))},
    "few rows": {NUMBERS: NUMERIC[:3], CODES: COLORS[:3]},
}


@pytest.mark.parametrize("feeds", FEEDS.values(), ids=FEEDS)
def test_each_row_has_one_place(feeds: dict[str, Any]) -> None:
    rows = len(next(iter(feeds.values())))
    assert sorted(sort_rows(feeds)) == list(range(rows))


def test_equal_categories_are_neighbours() -> None:
    rows = COLORS[sort_rows(FEEDS["categories"])].tolist()
    assert rows == sorted(rows)


def test_small_numbers_come_before_great_ones() -> None:
    column = NUMERIC[:, :1]
    sorted_column = column[sort_rows({NUMBERS: column})]
    assert sorted_column[: MIN_ROWS // 8].max() < sorted_column[-MIN_ROWS // 8 :].min()


@pytest.mark.parametrize(
    ("rows", "columns", "expected"),
    [(MIN_ROWS, MAX_COLUMNS, True), (MIN_ROWS - 1, MAX_COLUMNS, False), (MIN_ROWS, MAX_COLUMNS + 1, False)],
)
def test_few_rows_and_wide_ones_stay_in_their_order(rows: int, columns: int, expected: bool) -> None:
    feeds = {NUMBERS: np.zeros((rows, columns - 1)), CODES: np.zeros((rows, 1), np.int64)}
    assert is_faster_sorted(feeds) is expected
