"""The process of the prediction log: which rows go out together."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from typing import Any

import pytest

from http_server import WAIT_SECONDS
from modelserve.core.settings import Settings
from modelserve.core.sidecar import encoder
from modelserve.prediction_log import process
from modelserve.prediction_log.process import ENOUGH_ROWS, Journal
from modelserve.prediction_log.sender import Answered
from pubsub_host import NAMES, host, pull

__all__ = ["host"]

ANSWERED = Answered(False, "POST", b"/predict", b"", b"application/json", b'{"x": 1}', b'{"y": 2}', "m", "1", b"r", 1e9)


def test_rows_of_several_messages_go_out_together_and_the_last_when_the_server_ends(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", host)
    monkeypatch.setattr(process, "COLLECT_SECONDS", WAIT_SECONDS)
    requests: list[int] = []

    async def run() -> Journal:
        journal = Journal(Settings.from_environ({"LOG_TOPIC": NAMES.log}), theirs)
        send = journal.publisher._send

        async def count_messages(topic: str, messages: Sequence[Any], group: Sequence[Any]) -> None:
            requests.append(len(messages))
            await send(topic, messages, group)

        monkeypatch.setattr(journal.publisher, "_send", count_messages)
        await journal.run()
        return journal

    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        theirs.setblocking(False)
        with ours:
            for rows in (ENOUGH_ROWS // 2, ENOUGH_ROWS // 2, 1, 2):
                ours.send(encoder.encode([ANSWERED] * rows))
        journal = asyncio.run(run())
    assert requests == [ENOUGH_ROWS, 3]
    assert (journal.published, journal.lost, journal._waiting) == (ENOUGH_ROWS + 3, 0, 0)
    assert len(pull(host, NAMES.log_pull, ENOUGH_ROWS + 3)) == ENOUGH_ROWS + 3
