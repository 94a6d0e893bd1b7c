"""Memory, descriptors and threads of each process under load, and their growth."""

from __future__ import annotations

import itertools
import re
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

ANONYMOUS: Final = re.compile(r"^RssAnon:\s+(\d+) kB$", re.MULTILINE)


@dataclass(frozen=True)
class Moment:
    seconds: float
    kib: float
    descriptors: int
    threads: int


def take_moment(process: psutil.Process, began: float) -> Moment:
    with process.oneshot():
        kib = anonymous_kib(process.pid)
        return Moment(time.monotonic() - began, kib, process.num_fds(), process.num_threads())


def anonymous_kib(pid: int) -> float:
    """KiB of anonymous memory. Other measures include pages of libraries, whose share depends on other processes."""
    try:
        found = ANONYMOUS.search(Path(f"/proc/{pid}/status").read_text())
    except OSError as error:
        raise psutil.NoSuchProcess(pid) from error
    if found is None:  # a zombie
        raise psutil.NoSuchProcess(pid)
    return float(found[1])


@dataclass
class Watch:
    """`roots` by name, and their descendants. `ended` lists the processes that ended during the watch."""

    roots: Mapping[str, int]
    moments: dict[str, list[Moment]] = field(default_factory=dict)
    ended: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._began = time.monotonic()
        self._processes: dict[str, psutil.Process] = {}
        for name, pid in self.roots.items():
            root = psutil.Process(pid)
            for number, process in enumerate([root, *root.children(recursive=True)]):
                self._processes[f"{name} {number}"] = process

    def look(self) -> None:
        for name, process in list(self._processes.items()):
            try:
                self.moments.setdefault(name, []).append(take_moment(process, self._began))
            except psutil.Error:
                self.ended.append(name)
                del self._processes[name]


@dataclass(frozen=True)
class Growth:
    """Of one process, from the first quarter after the warm-up to the last. `slope` in KiB per minute."""

    first: Moment
    last: Moment
    slope: float
    minutes: float

    @property
    def kib(self) -> float:
        return self.slope * self.minutes

    @property
    def descriptors(self) -> int:
        return self.last.descriptors - self.first.descriptors

    @property
    def threads(self) -> int:
        return self.last.threads - self.first.threads


def growth(moments: Sequence[Moment], warm_share: float) -> Growth:
    kept = moments[int(len(moments) * warm_share) :]
    quarter = max(1, len(kept) // 4)
    minutes = (kept[-1].seconds - kept[0].seconds) / 60
    return Growth(median_moment(kept[:quarter]), median_moment(kept[-quarter:]), slope(kept), minutes)


def median_moment(moments: Sequence[Moment]) -> Moment:
    """The median of each figure. A single moment depends on the requests in progress."""
    return Moment(
        statistics.median(moment.seconds for moment in moments),
        statistics.median(moment.kib for moment in moments),
        round(statistics.median(moment.descriptors for moment in moments)),
        round(statistics.median(moment.threads for moment in moments)),
    )


def slope(moments: Sequence[Moment]) -> float:
    """KiB per minute: the Theil-Sen estimator (median slope of all pairs), which is robust against outliers."""
    found = [
        (later.kib - earlier.kib) / (later.seconds - earlier.seconds) * 60
        for earlier, later in itertools.combinations(moments, 2)
        if later.seconds > earlier.seconds
    ]
    return statistics.median(found) if found else 0.0
