"""What is offered to the shadow, and that offering never waits."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from itertools import chain
from typing import Any

import msgspec
import psutil
import pytest
from starlette.requests import Request

from modelserve import shadow as shadow_module
from modelserve.envelopes import Message
from modelserve.http import Http
from modelserve.loading import Loaded
from modelserve.metrics import Metrics
from modelserve.results import make_result
from modelserve.settings import Settings
from modelserve.shadow import LONGEST, MOST_BYTES, Offer, Shadow, offer_answer, offer_event
from modelserve_control import processes
from signatures import signature
from tiny import Holding, Tiny, loaded

X = signature(x="double")
WAIT_SECONDS = 120.0  # it gets only the time that nobody else on the machine wants


class Heard:
    """A shadow whose process is this one; unless `scheduled`, no turn of a loop sends what was collected."""

    def __init__(self, percent: float, scheduled: bool) -> None:
        self.shadow = Shadow(Settings.from_environ({"SHADOW_PERCENT": str(percent)}), Metrics(enabled=False))
        self.shadow._socket, self.ear = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.shadow._socket.setblocking(False)
        self.shadow._thread = threading.Thread()
        self.shadow._thread.start()
        self.shadow._due = not scheduled

    def messages(self) -> list[list[Offer]]:
        """What was sent."""
        self.ear.setblocking(False)
        found = []
        with suppress(BlockingIOError):
            while data := self.ear.recv(LONGEST):
                found.append(msgspec.msgpack.decode(data, type=list[Offer]))
        return found

    def offers(self) -> list[Offer]:
        """Also what is collected."""
        self.shadow.flush()
        return list(chain.from_iterable(self.messages()))

    def close(self) -> None:
        self.ear.close()
        if self.shadow._socket:
            self.shadow._socket.close()


@contextmanager
def heard(percent: float = 100.0, scheduled: bool = False) -> Iterator[Heard]:
    made = Heard(percent, scheduled)
    try:
        yield made
    finally:
        made.close()


def on_loop(call: Callable[[], None]) -> None:
    async def main() -> None:
        call()

    asyncio.run(main())


def ask(heard: Heard, method: str, path: str, body: bytes = b"", query: bytes = b"") -> tuple[int, bytes]:
    """The door's answer. The body comes in two parts."""
    parts = [{"body": body[:3], "more_body": True}, {"body": body[3:], "more_body": False}]

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", **parts.pop(0)}

    scope = {
        "type": "http", "method": method, "path": path, "query_string": query, "scheme": "http",
        "headers": [(b"x-request-id", b"r1"), (b"content-type", b"application/json; charset=utf-8")],
        "server": ("localhost", 80),
    }  # fmt: skip

    async def main(made: Loaded) -> tuple[int, bytes]:
        holding: Any = Holding(made)
        door = Http(Settings.from_environ({}), holding, Metrics(enabled=False))
        door.answered = partial(offer_answer, heard.shadow)
        response = await door(Request(scope, receive))
        assert heard.messages() == []  # not before the host has the answer
        return response.status_code, bytes(response.body)

    with loaded(Tiny(), X) as made:
        return asyncio.run(main(made))


V2 = b'{"inputs": [{"name": "x", "shape": [1], "datatype": "FP64", "data": [0.5]}]}'


@pytest.mark.parametrize(
    ("method", "path", "body", "query"),
    [
        ("POST", "/predict", b'{"x": 0.5}', b""),
        ("POST", "/", b'[{"x": 0.5}]', b""),
        ("POST", "/invocations", b'{"dataframe_records": [{"x": 0.5}]}', b"predict_method=predict"),
        ("POST", "/v2/models/tiny/infer", V2, b""),
        ("POST", "/v2/models/tiny/versions/7/infer", V2, b""),
        ("GET", "/predict", b"", b"x=0.5"),
    ],
)
def test_a_prediction_is_offered_as_it_was_asked_and_answered(
    method: str, path: str, body: bytes, query: bytes
) -> None:
    with heard() as ear:
        status, answer = ask(ear, method, path, body, query)
        (offer,) = ear.offers()
    assert status == 200
    given = (offer.method, offer.path, offer.query, offer.body, offer.content_type)
    assert given == (method, path, query, body, b"application/json; charset=utf-8")
    assert (offer.answer, offer.request_id, offer.model, offer.version) == (answer, "r1", "tiny", "7")
    assert not offer.event


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/predict", b'{"x": "far"}', 400),
        ("POST", "/predict", b"{", 400),
        ("POST", "/v2/models/other/infer", V2, 404),
        ("GET", "/health", b"", 200),
        ("GET", "/metadata", b"", 200),
        ("PUT", "/predict", b"", 405),
        ("GET", "/v2/models/tiny", b"", 200),
    ],
)
def test_nothing_else_is_offered(method: str, path: str, body: bytes, status: int) -> None:
    with heard() as ear:
        assert ask(ear, method, path, body)[0] == status
        assert ear.offers() == []


def test_what_asks_for_the_head_of_an_answer_is_not_offered() -> None:
    with heard() as ear:
        assert ask(ear, "HEAD", "/predict", query=b"x=0.5")[0] == 200
        assert ear.offers() == []


def test_a_share_is_offered() -> None:
    with heard(25.0) as ear:
        chosen = sum(ear.shadow.chosen() for _ in range(20_000))
    assert 4_000 < chosen < 6_000  # 16 standard deviations


def test_what_was_published_of_a_message_is_offered_as_its_payload_with_its_events() -> None:
    message = Message(b'{"x": 0.5}', "m1", {"secret": "s"})
    results = [make_result("tiny", "7", {"prediction": value}, "k", "m1", place) for place, value in enumerate((1, 2))]
    with heard() as ear, loaded(Tiny(), X) as made:
        offer_event(ear.shadow, made, message, [])
        offer_event(ear.shadow, made, message, results)
        (offer,) = ear.offers()
    assert (offer.event, offer.body, offer.request_id, offer.version) == (True, message.data, "m1", "7")
    assert [one["prediction"] for one in msgspec.json.decode(offer.answer)] == [{"prediction": 1}, {"prediction": 2}]


def test_a_message_id_that_is_no_text_is_offered_as_far_as_it_is() -> None:
    with heard() as ear, loaded(Tiny(), X) as made:
        offer_event(ear.shadow, made, Message(b"{}", "m\ud800"), [make_result("t", "7", {"p": 1}, "k", "m", 0)])
        assert [offer.request_id for offer in ear.offers()] == ["m?"]


def offered(number: int = 0, size: int = 100, path: str = "/predict", content_type: bytes = b"") -> Offer:
    return Offer(False, "POST", path, b"", content_type, b" " * size, b"1", "tiny", "7", str(number))


def numbers(offers: Sequence[Offer]) -> list[int]:
    return [int(offer.request_id) for offer in offers]


@pytest.mark.parametrize(("longer", "offered"), [(0, True), (1, False)])
def test_what_is_larger_than_the_bound_is_dropped(longer: int, offered: bool) -> None:
    result = make_result("tiny", "7", {"prediction": 1}, "k", "m1", 0)
    with heard() as ear, loaded(Tiny(), X) as made:
        body = b'{"x": 0.5}'
        answer = ask(ear, "POST", "/predict", body)[1]
        ear.offers()
        padding = b" " * (MOST_BYTES - len(body) - len(answer) + longer)
        assert ask(ear, "POST", "/predict", padding + body) == (200, answer)
        assert [offer.body == padding + body for offer in ear.offers()] == [True] * offered
        message = Message(b" " * (MOST_BYTES - len(result.body) - len("[]") + longer), "m1")
        on_loop(partial(offer_event, ear.shadow, made, message, [result]))
        assert len(ear.offers()) == offered
        assert ear.shadow.dropped == 2 * longer


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


def test_without_a_challenger_nothing_of_it_is_imported() -> None:
    code = """
import sys
from modelserve.process import Process
process = Process()
process.http, process.events, process.stop()
sys.exit(any("shadow" in name for name in sys.modules))
"""
    environ = processes.with_sources({"PATH": "", "MODEL_URI": "/nowhere", "LOG_LEVEL": "ERROR", "DRY_RUN": "true"})
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
