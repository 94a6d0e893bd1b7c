from __future__ import annotations

import asyncio
import logging
import socket

import msgspec

from modelserve.settings import Settings
from modelserve.shadow import Offer
from modelserve.shadow_process import MOST_COMPLAINTS, TOGETHER, Challenger, Marked
from modelserve.shadow_report import Report


def record(level: int, seconds: float) -> logging.LogRecord:
    made = logging.LogRecord("modelserve", level, __file__, 1, "text", (), None)
    made.created = seconds
    return made


def test_its_lines_are_marked_and_its_complaints_are_few() -> None:
    marked = Marked()
    told = [marked(record(logging.ERROR, 60.0 + number / 10)) for number in range(100)]
    assert sum(told) == MOST_COMPLAINTS
    assert marked(record(logging.INFO, 110.0))
    later = record(logging.WARNING, 121.0)
    later.fields = {"model_name": "churn"}
    assert marked(later)
    assert vars(later)["fields"] == {"process": "shadow", "model_name": "churn"}


def test_of_a_message_some_are_heard_at_a_time_until_the_end() -> None:
    offers = [Offer(False, "POST", "/predict", b"", b"", b"{}", b"1", "tiny", "7", str(place)) for place in range(40)]

    async def main(challenger: Challenger) -> list[list[Offer]]:
        return [await challenger.hear() for _ in range(5)]

    mouth, ear = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ear:
        ear.setblocking(False)
        with mouth:
            for message in (offers[:37], offers[37:]):
                mouth.send(msgspec.msgpack.encode(message))
        settings = Settings.from_environ({"SHADOW_MODEL_URI": "/nowhere/models/n/versions/1"})
        heard = asyncio.run(main(Challenger(settings, Report(settings), ear)))
    assert [offer for some in heard for offer in some] == offers
    assert [len(some) for some in heard] == [TOGETHER, TOGETHER, 37 - 2 * TOGETHER, 3, 0]
