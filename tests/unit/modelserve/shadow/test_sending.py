"""How samples reach the shadow, without a wait."""

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
from modelserve.core import sidecar as shadow_module
from modelserve.core.metrics import Metrics
from modelserve.core.settings import Settings
from modelserve.core.sidecar import MAX_MESSAGE_BYTES, MAX_SAMPLE_BYTES
from modelserve.shadow.sender import Sample, Shadow
from shadow_receiver import Receiver, make_sample, numbers, receive, run_on_loop

WAIT_SECONDS = 120.0  # it gets only the time that nobody else on the machine wants


def test_what_comes_is_one_message_a_little_later() -> None:
    async def main(receiver: Receiver) -> bytes:
        for number in range(3):
            receiver.shadow.submit(make_sample(number))
        receiver.sock.setblocking(False)
        return await asyncio.wait_for(
            asyncio.get_running_loop().sock_recv(receiver.sock, MAX_MESSAGE_BYTES), WAIT_SECONDS
        )

    with receive(scheduled=True) as receiver:
        first = msgspec.msgpack.decode(asyncio.run(main(receiver)), type=list[Sample])
        assert numbers(first) == [0, 1, 2]
        assert (receiver.messages(), receiver.shadow.sent) == ([], 3)


def test_what_is_much_is_sent_in_the_next_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadow_module, "COLLECT_SECONDS", WAIT_SECONDS)

    async def main(receiver: Receiver) -> None:
        receiver.shadow.submit(make_sample(0, MAX_SAMPLE_BYTES // 2))
        await asyncio.sleep(0)
        assert receiver.messages() == []
        receiver.shadow.submit(make_sample(1, MAX_SAMPLE_BYTES // 2))
        assert receiver.messages() == []
        await asyncio.sleep(0)
        assert [numbers(message) for message in receiver.messages()] == [[0, 1]]

    with receive(scheduled=True) as receiver:
        asyncio.run(main(receiver))


@pytest.mark.parametrize(
    "large",
    [
        {"size": MAX_SAMPLE_BYTES},
        {"content_type": b" " * MAX_SAMPLE_BYTES},
        {"path": "/" + "\N{SNOWMAN}" * (MAX_SAMPLE_BYTES // 4)},
    ],
)
def test_one_that_is_too_large_is_dropped_alone(large: dict[str, Any]) -> None:
    with receive() as receiver:
        receiver.shadow.submit(make_sample(0))
        receiver.shadow.submit(make_sample(1, **large))
        receiver.shadow.submit(make_sample(2))
        samples = receiver.samples()
    assert [(sample.request_id, sample.dropped) for sample in samples] == [("0", 0), ("2", 1)]
    assert receiver.shadow.dropped == 1


def test_a_message_is_never_longer_than_what_is_read_of_it() -> None:
    longest = "\N{SNOWMAN}" * (MAX_SAMPLE_BYTES // 4 - 100)

    def many() -> None:
        for number in range(2_000):
            large = number < 10
            receiver.shadow.submit(
                make_sample(number, MAX_SAMPLE_BYTES - 1, longest) if large else make_sample(number, number % 50)
            )
            found.extend(chain.from_iterable(receiver.messages()))

    with receive() as receiver:
        found = receiver.samples()
        run_on_loop(many)
        found += receiver.samples()
    assert numbers(found) == list(range(2_000))


def test_one_that_cannot_be_sent_fails_nobody() -> None:
    with receive() as receiver:
        receiver.shadow.submit(make_sample(0, path="/\ud800"))
        assert (receiver.samples(), receiver.shadow.dropped) == ([], 1)
        receiver.shadow.submit(make_sample(1))
        assert numbers(receiver.samples()) == [1]


def test_what_does_not_fit_is_dropped_and_the_next_offer_says_how_many_were() -> None:
    count = 20_000

    def flood() -> None:
        for number in range(count):
            receiver.shadow.submit(make_sample(number))

    with receive() as receiver:
        run_on_loop(flood)
        assert receiver.shadow.dropped > 0
        found = list(chain.from_iterable(receiver.messages()))
        assert len(found) == receiver.shadow.sent
        waited = receiver.samples()
        assert waited
        assert len(found) + len(waited) == receiver.shadow.sent == count - receiver.shadow.dropped
        receiver.shadow.submit(make_sample(count))
        (last,) = receiver.samples()
        # Nothing changes places: who was not sent before an sample was dropped before it.
        for place, sample in enumerate([*found, *waited, last]):
            assert int(sample.request_id) - place == sample.dropped
        assert last.dropped == receiver.shadow.dropped
        receiver.sock.close()
        for number in range(3):
            receiver.shadow.submit(make_sample(number))
        receiver.shadow.flush()
    assert receiver.shadow.dropped == last.dropped + 3


def test_what_waits_for_room_is_sent_when_there_is_some() -> None:
    async def main(receiver: Receiver) -> list[Sample]:
        number = 0
        while not receiver.shadow.dropped:
            receiver.shadow.submit(make_sample(number))
            number += 1
        sent = receiver.shadow.sent
        await asyncio.sleep(2 * shadow_module.COLLECT_SECONDS)  # the turn that was due found no room either
        assert receiver.shadow.sent == sent
        assert numbers(list(chain.from_iterable(receiver.messages())))[-1] == sent - 1
        data = await asyncio.wait_for(
            asyncio.get_running_loop().sock_recv(receiver.sock, MAX_MESSAGE_BYTES), WAIT_SECONDS
        )
        samples = msgspec.msgpack.decode(data, type=list[Sample])
        assert numbers(samples) == list(range(sent, number - 1))
        return samples

    with receive(scheduled=True) as receiver:
        assert asyncio.run(main(receiver))


def test_what_is_collected_is_sent_before_the_end() -> None:
    with receive() as receiver:
        for number in range(3):
            receiver.shadow.submit(make_sample(number))
        receiver.shadow.stop()
        (message,) = receiver.messages()[:1]
    assert numbers(message) == [0, 1, 2]


def test_a_shadow_that_was_sampled_nothing_is_not_started_at_the_end() -> None:
    shadow = Shadow(Settings.from_environ({"SHADOW_PERCENT": "100"}), Metrics(enabled=False))
    shadow.stop()
    assert shadow._thread is None


def test_a_shadow_that_takes_nothing_is_ended_and_another_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {"SHADOW_MODEL_URI": "/nowhere/models/n/versions/1", "PREDICT_TIMEOUT_SECONDS": "0.05"}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    shadow = Shadow(Settings.from_environ(environ), Metrics(enabled=False), hang_seconds=0.5)
    try:
        submit_one(shadow)
        first = wait_for_process(shadow, None)
        first.send_signal(signal.SIGSTOP)
        end = time.monotonic() + WAIT_SECONDS
        while shadow.process and shadow.process.pid == first.pid:
            submit_one(shadow)
            assert time.monotonic() < end, "it was left as it is"
        second = wait_for_process(shadow, first)
    finally:
        shadow.stop()
    assert not first.is_running()
    second.wait(WAIT_SECONDS)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is no such time, and nobody is the first to go")
def test_its_process_gets_the_time_that_nobody_wants_and_is_the_first_to_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHADOW_MODEL_URI", "/nowhere/models/n/versions/1")
    shadow = Shadow(Settings.from_environ({"SHADOW_PERCENT": "100"}), Metrics(enabled=False))
    try:
        submit_one(shadow)
        process = wait_for_process(shadow, None)
        first_to_go = Path(f"/proc/{process.pid}/oom_score_adj")
        wait_for(lambda: int(first_to_go.read_text()) == 1_000, WAIT_SECONDS)
        assert (os.sched_getscheduler(process.pid), process.nice()) == (os.SCHED_IDLE, 19)
    finally:
        shadow.stop()


def test_a_shadow_that_is_sampled_only_what_is_too_large_is_left_alone() -> None:
    """It was offered none of it, so it has not refused to take it."""
    with receive() as receiver:
        assert receiver.shadow._socket is not None
        receiver.shadow.hang_seconds = 0.02
        watching = threading.Thread(target=receiver.shadow._watch, args=(receiver.shadow._socket,))
        watching.start()
        for _ in range(25):
            receiver.shadow.submit(make_sample(size=MAX_SAMPLE_BYTES + 1))
            watching.join(receiver.shadow.hang_seconds)
        assert (receiver.shadow.dropped, watching.is_alive()) == (25, True)
        receiver.sock.close()
        watching.join(WAIT_SECONDS)
        assert not watching.is_alive()


def submit_one(shadow: Shadow) -> None:
    run_on_loop(partial(shadow.submit, make_sample()))
    shadow.flush()


def wait_for_process(shadow: Shadow, before: psutil.Process | None) -> psutil.Process:
    end = time.monotonic() + WAIT_SECONDS
    while shadow.process is None or (before and shadow.process.pid == before.pid):
        assert time.monotonic() < end, "it was not started"
        time.sleep(0.01)
    return psutil.Process(shadow.process.pid)
