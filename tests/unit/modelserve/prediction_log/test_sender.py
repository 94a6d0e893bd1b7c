"""What the server sends to the process of the prediction log."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from modelserve.core.metrics import Metrics
from modelserve.core.settings import Settings
from modelserve.core.sidecar import MAX_MESSAGE_BYTES, MAX_SAMPLE_BYTES
from modelserve.prediction_log.process import decoder
from modelserve.prediction_log.sender import Answered, PredictionLog
from shadow_receiver import run_on_loop
from signatures import signature
from tiny import Tiny, loaded

X = signature(x="double")


@contextmanager
def receive() -> Iterator[tuple[PredictionLog, socket.socket]]:
    """The log without its process, and the process's end of the socket."""
    log = PredictionLog(Settings.from_environ({}), Metrics(enabled=False))
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        for sock in (ours, theirs):
            sock.setblocking(False)
        log._socket = ours
        log._thread = threading.Thread()
        log._thread.start()
        log._scheduled = True  # no timer sends what was collected
        yield log, theirs


def make_answered(number: int, version: str = "7", body: bytes = b"", **more: Any) -> Answered:
    names = ("tiny", version)
    return Answered(False, "POST", b"/predict", b"", b"", body, b"1", *names, b"%d" % number, 1e9, **more)


def read_messages(log: PredictionLog, sock: socket.socket) -> list[Answered]:
    log.flush()
    found: list[Answered] = []
    with suppress(BlockingIOError):
        while data := sock.recv(MAX_MESSAGE_BYTES):
            found += decoder.decode(data)
    return found


def test_a_long_header_makes_no_message_longer_than_what_is_read_of_it() -> None:
    def submit() -> None:
        for number in range(4):
            log.submit(make_answered(number, json_size=b"9" * (MAX_SAMPLE_BYTES // 2)), made)

    with receive() as (log, sock), loaded(Tiny(), X) as made:
        run_on_loop(submit)
        found = read_messages(log, sock)
    assert [one.request_id for one in found] == [b"0", b"1", b"2", b"3"]


def test_a_version_whose_first_sample_is_too_large_is_sent_with_the_signature() -> None:
    def submit() -> None:
        log.submit(make_answered(0), first)
        log.submit(make_answered(1, "8", b" " * MAX_SAMPLE_BYTES), second)
        log.submit(make_answered(2, "8"), second)

    with receive() as (log, sock), loaded(Tiny(), X) as first:
        second = replace(first, version="8")
        run_on_loop(submit)
        found = read_messages(log, sock)
    assert [(one.request_id, bool(one.signature)) for one in found] == [(b"0", True), (b"2", True)]
