"""How offers reach the shadow, which nobody waits for."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from faults.proxy import wait_for
from modelserve.core.metrics import Metrics
from modelserve.core.settings import Settings
from modelserve.shadow import sender as shadow_module
from modelserve.shadow.sender import LONGEST, MOST_BYTES, Offer, Shadow
from shadow_ear import Heard, heard, numbers, offered, on_loop

WAIT_SECONDS = 120.0  # it gets only the time that nobody else on the machine wants


def test_what_comes_is_one_message_a_little_later() -> None:
    async def main(ear: Heard) -> bytes:
        for number in range(3):
            ear.shadow.offer(offered(number))
        ear.ear.setblocking(False)
        return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(ear.ear, LONGEST), WAIT_SECONDS)

    with heard(scheduled=True) as ear:
        first = msgspec.msgpack.decode(asyncio.run(main(ear)), type=list[Offer])
        assert numbers(first) == [0, 1, 2]
        assert (ear.messages(), ear.shadow.sent) == ([], 3)


def test_what_is_much_is_sent_in_the_next_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadow_module, "COLLECTING", WAIT_SECONDS)

    async def main(ear: Heard) -> None:
        ear.shadow.offer(offered(0, MOST_BYTES // 2))
        await asyncio.sleep(0)
        assert ear.messages() == []
        ear.shadow.offer(offered(1, MOST_BYTES // 2))
        assert ear.messages() == []
        await asyncio.sleep(0)
        assert [numbers(message) for message in ear.messages()] == [[0, 1]]

    with heard(scheduled=True) as ear:
        asyncio.run(main(ear))


@pytest.mark.parametrize(
    "large",
    [
        {"size": MOST_BYTES},
        {"content_type": b" " * MOST_BYTES},
        {"path": "/" + "\N{SNOWMAN}" * (MOST_BYTES // 4)},
    ],
)
def test_one_that_is_too_large_is_dropped_alone(large: dict[str, Any]) -> None:
    with heard() as ear:
        ear.shadow.offer(offered(0))
        ear.shadow.offer(offered(1, **large))
        ear.shadow.offer(offered(2))
        offers = ear.offers()
    assert [(offer.request_id, offer.dropped) for offer in offers] == [("0", 0), ("2", 1)]
    assert ear.shadow.dropped == 1


def test_a_message_is_never_longer_than_what_is_read_of_it() -> None:
    longest = "\N{SNOWMAN}" * (MOST_BYTES // 4 - 100)

    def many() -> None:
        for number in range(2_000):
            large = number < 10
            ear.shadow.offer(offered(number, MOST_BYTES - 1, longest) if large else offered(number, number % 50))
            found.extend(chain.from_iterable(ear.messages()))

    with heard() as ear:
        found = ear.offers()
        on_loop(many)
        found += ear.offers()
    assert numbers(found) == list(range(2_000))


def test_one_that_cannot_be_sent_fails_nobody() -> None:
    with heard() as ear:
        ear.shadow.offer(offered(0, path="/\ud800"))
        assert (ear.offers(), ear.shadow.dropped) == ([], 1)
        ear.shadow.offer(offered(1))
        assert numbers(ear.offers()) == [1]


def test_what_does_not_fit_is_dropped_and_the_next_offer_says_how_many_were() -> None:
    count = 20_000

    def flood() -> None:
        for number in range(count):
            ear.shadow.offer(offered(number))

    with heard() as ear:
        on_loop(flood)
        assert ear.shadow.dropped > 0
        found = list(chain.from_iterable(ear.messages()))
        assert len(found) == ear.shadow.sent
        waited = ear.offers()
        assert waited
        assert len(found) + len(waited) == ear.shadow.sent == count - ear.shadow.dropped
        ear.shadow.offer(offered(count))
        (last,) = ear.offers()
        # Nothing changes places: who was not sent before an offer was dropped before it.
        for place, offer in enumerate([*found, *waited, last]):
            assert int(offer.request_id) - place == offer.dropped
        assert last.dropped == ear.shadow.dropped
        ear.ear.close()
        for number in range(3):
            ear.shadow.offer(offered(number))
        ear.shadow.flush()
    assert ear.shadow.dropped == last.dropped + 3


def test_what_waits_for_room_is_sent_when_there_is_some() -> None:
    async def main(ear: Heard) -> list[Offer]:
        number = 0
        while not ear.shadow.dropped:
            ear.shadow.offer(offered(number))
            number += 1
        sent = ear.shadow.sent
        await asyncio.sleep(2 * shadow_module.COLLECTING)  # the turn that was due found no room either
        assert ear.shadow.sent == sent
        assert numbers(list(chain.from_iterable(ear.messages())))[-1] == sent - 1
        data = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(ear.ear, LONGEST), WAIT_SECONDS)
        offers = msgspec.msgpack.decode(data, type=list[Offer])
        assert numbers(offers) == list(range(sent, number - 1))
        return offers

    with heard(scheduled=True) as ear:
        assert asyncio.run(main(ear))


def test_what_is_collected_is_sent_before_the_end() -> None:
    with heard() as ear:
        for number in range(3):
            ear.shadow.offer(offered(number))
        ear.shadow.stop()
        (message,) = ear.messages()[:1]
    assert numbers(message) == [0, 1, 2]


def test_a_shadow_that_was_offered_nothing_is_not_started_at_the_end() -> None:
    shadow = Shadow(Settings.from_environ({"SHADOW_PERCENT": "100"}), Metrics(enabled=False))
    shadow.stop()
    assert shadow._thread is None


def test_a_shadow_that_takes_nothing_is_ended_and_another_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {"SHADOW_MODEL_URI": "/nowhere/models/n/versions/1", "PREDICT_TIMEOUT_SECONDS": "0.05"}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    shadow = Shadow(Settings.from_environ(environ), Metrics(enabled=False), patience=0.5)
    try:
        give(shadow)
        first = started(shadow, None)
        first.send_signal(signal.SIGSTOP)
        end = time.monotonic() + WAIT_SECONDS
        while shadow.process and shadow.process.pid == first.pid:
            give(shadow)
            assert time.monotonic() < end, "it was left as it is"
        second = started(shadow, first)
    finally:
        shadow.stop()
    assert not first.is_running()
    second.wait(WAIT_SECONDS)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is no such time, and nobody is the first to go")
def test_its_process_gets_the_time_that_nobody_wants_and_is_the_first_to_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHADOW_MODEL_URI", "/nowhere/models/n/versions/1")
    shadow = Shadow(Settings.from_environ({"SHADOW_PERCENT": "100"}), Metrics(enabled=False))
    try:
        give(shadow)
        process = started(shadow, None)
        first_to_go = Path(f"/proc/{process.pid}/oom_score_adj")
        wait_for(lambda: int(first_to_go.read_text()) == 1_000, WAIT_SECONDS)
        assert (os.sched_getscheduler(process.pid), process.nice()) == (os.SCHED_IDLE, 19)
    finally:
        shadow.stop()


def test_a_shadow_that_is_offered_only_what_is_too_large_is_left_alone() -> None:
    """It was offered none of it, so it has not refused to take it."""
    with heard() as ear:
        assert ear.shadow._socket is not None
        ear.shadow.patience = 0.02
        watching = threading.Thread(target=ear.shadow._watch, args=(ear.shadow._socket,))
        watching.start()
        for _ in range(25):
            ear.shadow.offer(offered(size=MOST_BYTES + 1))
            watching.join(ear.shadow.patience)
        assert (ear.shadow.dropped, watching.is_alive()) == (25, True)
        ear.ear.close()
        watching.join(WAIT_SECONDS)
        assert not watching.is_alive()


def give(shadow: Shadow) -> None:
    on_loop(partial(shadow.offer, offered()))
    shadow.flush()


def started(shadow: Shadow, before: psutil.Process | None) -> psutil.Process:
    end = time.monotonic() + WAIT_SECONDS
    while shadow.process is None or (before and shadow.process.pid == before.pid):
        assert time.monotonic() < end, "it was not started"
        time.sleep(0.01)
    return psutil.Process(shadow.process.pid)
