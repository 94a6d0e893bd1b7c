"""Windows of time: where each begins and ends, and which rows it has."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from modelserve_control.monitor.stats.windows import group_by_time, window_end


@pytest.mark.parametrize(
    ("name", "window", "end"),
    [
        ("2026-03-01T23", "hour", datetime(2026, 3, 2, tzinfo=UTC)),
        ("2026-02-28", "day", datetime(2026, 3, 1, tzinfo=UTC)),
        ("2026-02-23", "week", datetime(2026, 3, 2, tzinfo=UTC)),
        ("2026-12", "month", datetime(2027, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_window_ends_where_the_next_begins(name: str, window: str, end: datetime) -> None:
    assert window_end(name, window) == end
    (before, first), (after, second) = group_by_time(
        np.array([end.replace(tzinfo=None), "nat", end.replace(tzinfo=None)], "datetime64[us]")
        - np.array([0, 0, 1], "timedelta64[us]"),
        window,
    )
    assert (before, first, second) == (name, [2], [0])
    assert after > before


@pytest.mark.parametrize("day", ["1969-12-29", "2026-02-23", "2026-11-23"])
def test_a_week_is_from_monday_to_sunday(day: str) -> None:
    assert datetime.fromisoformat(day).strftime("%A") == "Monday"
    days = np.datetime64(day, "us") + np.arange(8).astype("timedelta64[D]")
    (first, rows), (_, later) = group_by_time(days, "week")
    assert (first, rows, later) == (day, [0, 1, 2, 3, 4, 5, 6], [7])


def test_windows_that_end_before_a_time_are_left_out() -> None:
    days = np.array(["2026-03-01", "2026-03-02", "2026-03-03"], "datetime64[us]")
    since = datetime(2026, 3, 2, tzinfo=UTC)
    assert [name for name, _ in group_by_time(days, "day", since)] == ["2026-03-02", "2026-03-03"]
