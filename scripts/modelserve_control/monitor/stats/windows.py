"""Windows of time: hours, days, weeks from Monday to Sunday, and months, in UTC."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from modelserve_control.common.errors import NothingCompared

UNITS: Final = {"hour": "h", "day": "D", "week": "W", "month": "M"}
MONDAY: Final = np.timedelta64(3, "D")  # numpy's weeks begin on Thursday, as 1970 did
Times = NDArray[np.datetime64]


def group_by_time(times: Times, window: str | None, since: datetime | None = None) -> Iterator[tuple[str, list[int]]]:
    """The rows of each window that ends after `since`, a training, in the order of time. Rows without a time are in none.
    Raises NothingCompared where all windows end before."""
    if window is None:
        if len(times):
            yield "all", list(range(len(times)))
        return
    starts = window_starts(times, window)
    known = np.unique(starts[~np.isnat(starts)])
    recent = [start for start in known if since is None or window_end(str(start), window) > since]
    if since is not None and len(known) and not recent:
        raise NothingCompared(
            f"The rows end before the training of {since:%Y-%m-%d}, so they say nothing of this version."
        )
    for start in recent:
        yield str(start), np.flatnonzero(starts == start).tolist()


def window_starts(times: Times, window: str) -> Times:
    if window == "week":
        weeks = (times.astype("datetime64[D]") + MONDAY).astype("datetime64[W]")
        mondays: Times = np.subtract(weeks.astype("datetime64[D]"), MONDAY)
        return mondays
    return times.astype(f"datetime64[{UNITS[window]}]")


def window_end(name: str, window: str) -> datetime:
    days, unit = (7, "D") if window == "week" else (1, UNITS[window])
    end: datetime = (np.array(name, f"datetime64[{unit}]") + days).astype("datetime64[us]").item()
    return end.replace(tzinfo=UTC)
