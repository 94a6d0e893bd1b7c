from __future__ import annotations

import pytest

from modelserve_control.common.services import polling
from modelserve_control.common.services.polling import poll
from virtual_time import VirtualTime


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> VirtualTime:
    made = VirtualTime()
    monkeypatch.setattr(polling, "time", made)
    return made


def times(clock: VirtualTime, *arguments: float) -> list[float]:
    start = clock.now
    return [round(clock.now - start, 6) for _ in poll(*arguments)]


def test_the_last_attempt_is_at_the_end(clock: VirtualTime) -> None:
    assert times(clock, 0.0, 1.0) == [0]
    assert times(clock, 2.5, 1.0) == [0, 1, 2, 2.5]
    assert times(clock, 2.0, 1.0) == [0, 1, 2]


def test_pauses_double_up_to_their_maximum(clock: VirtualTime) -> None:
    assert times(clock, 10.0, 0.5, 2.0) == [0, 0.5, 1.5, 3.5, 5.5, 7.5, 9.5, 10]
