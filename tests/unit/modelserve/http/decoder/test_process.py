"""The process keeps to its memory, its time and its place behind the server."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from dataclasses import replace

import psutil
import pytest

from decoding import CASES, KNOWN, LIMITS, SETTINGS, dump, parquet, with_decoder
from modelserve.core.errors import TooLarge
from modelserve.http.decoder import client as decoders
from modelserve.http.decoder.client import Child, Decoder
from modelserve.http.decoder.wire import ASK
from modelserve.payloads.decode import JSON, PARQUET, BodyDecoder, Protocol
from modelserve_control.common.processes import SOURCES
from tiny import PROMPT_SECONDS


def test_a_limit_of_memory_that_the_server_was_given_is_kept() -> None:
    """Of a process, as only root may raise it again."""
    code = """
import asyncio, resource
resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
from decoding import *
from modelserve.http.decoder import client as decoders
async def work(made):
    decoders.MAX_INLINE_BYTES = -1
    for name in ("records", "parquet"):
        print((await made.check(*CASES[name])).batch.rows)
with_decoder(work)
"""
    path = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.split()[-2:] == ["2", "2"], done.stderr


def test_a_file_that_takes_too_much_memory_is_refused_and_the_next_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoders, "MIN_MEMORY", 96 << 20)  # of which pyarrow takes some for itself
    large = parquet({"a": list(range(15_000)), "c": [f"{n:04000d}" for n in range(15_000)]})  # within MAX_UNPACKED

    async def work(made: Decoder) -> None:
        with pytest.raises(TooLarge, match="The decoded body has more than"):
            await made.check(large, PARQUET, Protocol.PREDICT, BodyDecoder(KNOWN, LIMITS))
        assert (await made.check(*CASES["parquet"])).batch.rows == 2

    with_decoder(work, replace(SETTINGS, max_request_bytes=1))


def test_a_body_that_takes_too_much_memory_is_refused_and_the_next_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoders, "MIN_MEMORY", 16 << 20)
    large = dump([{"a": n, "c": "x", "e": [[]] * 40} for n in range(9_000)])

    async def work(made: Decoder) -> None:
        with pytest.raises(TooLarge, match="The decoded body has more than"):
            await made.check(large, JSON, Protocol.PREDICT, BodyDecoder(KNOWN, LIMITS))
        assert (await made.check(*CASES["records"])).batch.rows == 2

    with_decoder(work, replace(SETTINGS, max_request_bytes=1))


def test_it_takes_no_signal_that_its_group_gets_and_is_behind_the_server() -> None:
    async def work(made: Decoder) -> None:
        await made.check(*CASES["records"])
        assert made.pid is not None
        process = psutil.Process(made.pid)
        assert process.nice() > os.nice(0)
        for number in (signal.SIGINT, signal.SIGTERM):
            process.send_signal(number)
        before = made.pid
        await made.check(*CASES["records"])
        assert made.pid == before

    with_decoder(work)


def test_it_ends_by_itself_when_the_time_of_a_body_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the server that would end it is gone, and the body still comes from somebody who has its socket."""
    monkeypatch.setattr(decoders, "GRACE_SECONDS", 0.01)
    child = Child(replace(SETTINGS, predict_timeout_seconds=0), LIMITS)
    try:
        child.socket.send(ASK.pack(1, 1))  # and nothing behind it
        assert child.process.wait(PROMPT_SECONDS) == -signal.SIGALRM
    finally:
        child.end()


def test_it_leaves_no_core_file_which_would_hold_a_body() -> None:
    async def work(made: Decoder) -> None:
        await made.check(*CASES["records"])
        assert made.pid is not None
        assert resource.prlimit(made.pid, resource.RLIMIT_CORE) == (0, 0)

    own = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (own[1], own[1]))  # what is started inherits it
    try:
        with_decoder(work)
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, own)


SERVER = """
import asyncio, os, sys
from modelserve.http.decoder import client as decoder
from modelserve.payloads.decode import JSON, BodyDecoder, Protocol
from modelserve.core.metrics import Metrics
from modelserve.payloads import Limits
from modelserve.core.settings import Settings

async def main():
    decoder.MAX_INLINE_BYTES = -1
    limits = Limits(9, 9, 9)
    made = decoder.Decoder(Settings.from_environ({}), limits, Metrics(enabled=False))
    await made.check(b'{"a": 1}', JSON, Protocol.PREDICT, BodyDecoder(None, limits))
    print(made.pid, flush=True)
    sys.stdin.read()

asyncio.run(main())
"""


def test_it_ends_when_the_server_is_killed() -> None:
    command = [sys.executable, "-c", SERVER]
    environ = {"PYTHONPATH": str(SOURCES / "functions")}
    with subprocess.Popen(command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        child = psutil.Process(int(server.stdout.readline()))
        server.kill()
        server.wait(60)
        gone, _ = psutil.wait_procs([child], timeout=60)
        assert gone
