from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

import pytest

from modelserve.core.coalescer import Coalescer, Pending, chunks, take
from tiny import run

Numbers = Coalescer[str, int, int]


def both(item: int) -> tuple[int, int]:
    return 1, item


def test_it_takes_from_the_front_what_stays_within_all_limits() -> None:
    queue = deque([1, 2, 3, 4])
    assert take(queue, both, (10, 6)) == [1, 2, 3]
    assert list(queue) == [4]
    assert list(chunks([1, 2, 3, 4], both, (2, 10))) == [[1, 2], [3, 4]]
    assert list(chunks([1, 9, 1, 1], both, (10, 5))) == [[1], [9], [1, 1]], "one that is too large alone is alone"
    assert list(chunks([], both, (1, 1))) == []


class Doubled:
    """Notes each group and answers twice each item."""

    def __init__(self) -> None:
        self.groups: list[tuple[str, list[int]]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, key: str, group: Sequence[Pending[int, int]]) -> None:
        self.groups.append((key, [pending.item for pending in group]))
        await self.gate.wait()
        for pending in group:
            pending.settle(pending.item * 2 if pending.item else ValueError("zero"))


def test_what_is_submitted_in_one_turn_is_one_group_of_each_key() -> None:
    async def submit() -> None:
        handle = Doubled()
        coalescer = Numbers(handle, both, (3, 100))
        keyed = [("a", 1), ("b", 2), ("a", 3), ("a", 4), ("a", 5)]
        assert await asyncio.gather(*(coalescer.submit(*one) for one in keyed)) == [2, 4, 6, 8, 10]
        assert handle.groups == [("a", [1, 3, 4]), ("a", [5]), ("b", [2])]
        assert await coalescer.submit("a", 7) == 14

    run(submit())


def test_items_wait_while_as_many_groups_as_may_are_handled() -> None:
    async def submit() -> None:
        handle = Doubled()
        handle.gate.clear()
        coalescer = Numbers(handle, both, (10, 100), at_once=1)
        first = coalescer.submit("a", 1)
        while not handle.groups:
            await asyncio.sleep(0)
        others = [coalescer.submit("a", 2), coalescer.submit("b", 3), coalescer.submit("a", 4)]
        others[0].cancel()
        handle.gate.set()
        assert await asyncio.gather(first, *others[1:]) == [2, 6, 8]
        assert handle.groups == [("a", [1]), ("b", [3]), ("a", [4])], "an abandoned item is not handled"

    run(submit())


def test_an_error_of_one_item_and_of_the_handler() -> None:
    async def fail(_: str, group: Sequence[Pending[int, int]]) -> None:
        group[0].settle(1)
        raise KeyError("all others")

    async def submit() -> None:
        coalescer = Numbers(Doubled(), both, (10, 100))
        outcomes = await asyncio.gather(coalescer.submit("a", 0), coalescer.submit("a", 1), return_exceptions=True)
        assert [repr(outcome) for outcome in outcomes] == ["ValueError('zero')", "2"]
        failing = Numbers(fail, both, (10, 100))
        first, second = failing.submit("a", 1), failing.submit("a", 2)
        assert await first == 1
        with pytest.raises(KeyError):
            await second

    run(submit())


def test_what_is_cancelled_ends_and_what_waits_is_forgotten() -> None:
    async def submit() -> None:
        handle = Doubled()
        handle.gate.clear()
        coalescer = Numbers(handle, both, (1, 100), at_once=1)
        futures = [coalescer.submit("a", 1), coalescer.submit("a", 2)]
        while not handle.groups:
            await asyncio.sleep(0)
        coalescer.cancel()
        handle.gate.set()
        for _ in range(5):
            await asyncio.sleep(0)
        assert handle.groups == [("a", [1])]
        assert not any(future.done() for future in futures)

    run(submit())
