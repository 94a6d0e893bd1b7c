"""What ends the process is the matter of one request."""

from __future__ import annotations

import asyncio
import os
import resource
import signal

import psutil
import pytest

from decoding import CASES, with_decoder
from modelserve.core.errors import MalformedRequest, ServeError, TooLarge, Unavailable
from modelserve.http.decoder import client as decoders
from modelserve.http.decoder.client import Decoder
from modelserve.payloads.decode import CheckedBody
from tiny import PROMPT_SECONDS


def test_small_json_needs_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoders, "MAX_INLINE_BYTES", 128 << 10)

    async def work(made: Decoder) -> None:
        await made.check(*CASES["records"])
        assert made.pid is None
        await made.check(*CASES["parquet"])
        assert made.pid is not None

    with_decoder(work)


async def stop_process(made: Decoder, name: str, number: int) -> asyncio.Task[CheckedBody]:
    """A body that the process has not answered when it gets the signal."""
    await made.check(*CASES["parquet"])
    assert made.pid is not None
    os.kill(made.pid, signal.SIGSTOP)
    asking = asyncio.create_task(made.check(*CASES[name]))
    await asyncio.sleep(0)
    os.kill(made.pid, number)
    os.kill(made.pid, signal.SIGCONT)
    return asking


@pytest.mark.parametrize(
    ("name", "number", "kind"),
    [
        ("parquet", signal.SIGABRT, MalformedRequest),
        ("parquet", signal.SIGSEGV, MalformedRequest),
        ("parquet", signal.SIGKILL, Unavailable),
        ("parquet", signal.SIGUSR1, Unavailable),
        ("records", signal.SIGABRT, Unavailable),
        ("records", signal.SIGSEGV, TooLarge),
    ],
)
def test_a_body_that_ends_the_process_is_one_requests_matter(
    name: str, number: int, kind: type[ServeError], caplog: pytest.LogCaptureFixture
) -> None:
    async def work(made: Decoder) -> None:
        asking = await stop_process(made, name, number)
        before = made.pid
        with pytest.raises(kind):
            await asking
        assert (await made.check(*CASES["records"])).batch.rows == 2
        assert made.pid != before

    with_decoder(work)
    (line,) = [record for record in caplog.records if record.message == "the decoder ended"]
    assert line.fields["status"] == -number  # type: ignore[attr-defined]


def test_a_process_that_was_ended_between_two_bodies_is_replaced() -> None:
    async def work(made: Decoder) -> None:
        await made.check(*CASES["records"])
        assert made.pid is not None
        os.kill(made.pid, signal.SIGKILL)
        await asyncio.to_thread(os.waitid, os.P_PID, made.pid, os.WEXITED | os.WNOWAIT)
        assert (await made.check(*CASES["records"])).batch.rows == 2

    with_decoder(work)


def test_a_process_that_starts_slowly_is_waited_for_by_the_next_request() -> None:
    async def work(made: Decoder) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(made.check(*CASES["records"]), 0.001)
        starting = made.pid
        assert starting is not None
        assert (await made.check(*CASES["records"])).batch.rows == 2
        assert made.pid == starting

    with_decoder(work)


def test_a_process_that_never_starts_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoders, "START", "import sys; sys.stdin.read(); import signal; signal.pause()")
    monkeypatch.setattr(decoders, "START_SECONDS", 0.0)

    async def work(made: Decoder) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(made.check(*CASES["records"]), 0.1)
        assert made.pid is None

    with_decoder(work)


def test_a_body_that_takes_too_long_ends_the_process_and_no_answer_goes_astray() -> None:
    async def work(made: Decoder) -> None:
        await made.check(*CASES["records"])
        assert made.pid is not None
        first = psutil.Process(made.pid)
        os.kill(made.pid, signal.SIGSTOP)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await made.check(*CASES["parquet, many"])
        assert (await made.check(*CASES["records"])).batch.rows == 2
        assert not first.is_running()

    with_decoder(work, seconds=PROMPT_SECONDS)


def test_bodies_are_decoded_in_order_and_one_that_gives_up_leaves() -> None:
    done: list[str] = []

    async def work(made: Decoder) -> None:
        async def ask(name: str) -> None:
            await made.check(*CASES[name])
            done.append(name)

        await made.check(*CASES["records"])
        assert made.pid is not None
        os.kill(made.pid, signal.SIGSTOP)
        tasks = [asyncio.create_task(ask(name)) for name in ("parquet", "records", "csv", "v2")]
        await asyncio.sleep(0)
        tasks[1].cancel()
        before = made.pid
        os.kill(made.pid, signal.SIGCONT)
        await asyncio.wait(tasks)
        assert (done, made.pid) == (["parquet", "csv", "v2"], before)

    with_decoder(work)


def test_without_a_process_to_start_the_request_is_to_come_again() -> None:
    async def work(made: Decoder) -> None:
        most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (psutil.Process().num_fds(), most[1]))
        try:
            with pytest.raises(Unavailable):
                await made.check(*CASES["parquet"])
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, most)
        assert (await made.check(*CASES["parquet"])).batch.rows == 2

    with_decoder(work)
