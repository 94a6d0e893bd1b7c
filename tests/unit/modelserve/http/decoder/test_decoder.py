"""The decoder as a real process: it answers what decoding here answers, and what ends it is one request's matter."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uvloop

from modelserve.core.errors import Malformed, ServeError, TooLarge, Unavailable
from modelserve.core.metrics import Metrics
from modelserve.core.settings import Settings
from modelserve.http.bodies import CSV, FORMS, JSON, PARQUET, RECORDS, V2, CheckedBody, check_body
from modelserve.http.decoder import client as decoders
from modelserve.http.decoder.client import Child, Decoder
from modelserve.http.decoder.wire import ASK
from modelserve.payloads import Limits
from modelserve.schema.signature import Signature
from modelserve_control.common.processes import SOURCES
from signatures import signature, signature_of, tensor
from tiny import PROMPT_SECONDS, WAIT_SECONDS

LIMITS = Limits(rows=20_000, columns=200, depth=16)
SETTINGS = Settings.from_environ({"PREDICT_TIMEOUT_SECONDS": "60"})
KNOWN = signature(a="long", b="double?", c="string", d="boolean?", e="datetime?", f="binary?", g="float?", h="integer?")
NESTED = signature_of(
    [
        {"name": "a", "type": "array", "items": {"type": "long"}},
        {"name": "b", "type": "object", "properties": {"a": {"type": "datetime"}}, "required": False},
        {"name": "c", "type": "any", "required": False},
    ]
)
TENSORS = signature_of([tensor("float32", -1, 2, name="a"), tensor("str", -1, 2, name="b")])
ROW = {"a": 1, "b": None, "c": "é\n", "d": True, "e": "2024-01-02T03:04:05Z", "f": "AAE=", "g": 0.5, "h": 7}
NAN = float("nan")


def parquet(columns: dict[str, Any]) -> bytes:
    file = BytesIO()
    pq.write_table(pa.table(columns), file)
    return file.getvalue()


def dumped(value: Any) -> bytes:
    return json.dumps(value).encode()


INSTANT = datetime(2024, 1, 2, 3, 4, 5, 6)
ODD = parquet(
    {
        "decimal": [Decimal("1.10"), None],
        "map": pa.array([[("k", 1)], []], pa.map_(pa.string(), pa.int64())),
        "instants": pa.array([[INSTANT], None], pa.list_(pa.timestamp("us"))),
        "days": pa.array([{"d": date(2024, 1, 2)}, None]),
        "time": [time(1, 2, 3), None],
        "span": [timedelta(days=-1, seconds=2), None],
        "bytes": [b"\x00\xff", None],
    }
)
CASES: dict[str, tuple[bytes, str, str, Signature | None]] = {
    "records": (dumped([ROW, {**ROW, "x": 0}]), JSON, RECORDS, KNOWN),
    "one record": (dumped(ROW), JSON, RECORDS, KNOWN),
    "form": (dumped({"inputs": [ROW], "params": {"predict_method": "p", "n": [10**30]}}), JSON, FORMS, KNOWN),
    "no signature": (dumped([{"a": 1, "b": [1, {"k": [10**30, -(10**30)]}]}, {"a": "x"}]), JSON, RECORDS, None),
    "no rows": (dumped({"dataframe_split": {"columns": ["a", "c"], "data": []}}), JSON, FORMS, KNOWN),
    "nested": (dumped([{"a": [1, 2], "b": {"a": "2024-01-01"}, "c": [1, 2**63]}]), JSON, RECORDS, NESTED),
    "tensors": (dumped({"inputs": {"a": [[1, 2], [3, 4]], "b": [["x", "y"], ["z", ""]]}}), JSON, FORMS, TENSORS),
    "v2": (
        dumped(
            {
                "id": "i",
                "inputs": [{"name": "a", "shape": [2], "datatype": "INT64", "data": [1, 2]}],
                "outputs": [{"name": "o"}],
            }
        ),
        JSON,
        V2,
        signature(a="long"),
    ),
    "csv": (b"a,b,c\n1,,x\n2,0.5,y\n", CSV, RECORDS, KNOWN),
    "parquet": (parquet({"a": [1, 2], "c": ["x", "y"], "b": [0.5, NAN], "d": [True, None]}), PARQUET, RECORDS, KNOWN),
    "parquet, odd": (ODD, PARQUET, RECORDS, None),
    "parquet, many": (
        parquet(
            {"a": list(range(5_000)), "c": [f"t{n % 9}" for n in range(5_000)], "g": [n / 4 for n in range(5_000)]}
        ),
        PARQUET,
        RECORDS,
        KNOWN,
    ),
    "parquet, other widths": (
        parquet(
            {"a": pa.array([1], pa.int8()), "c": ["x"], "b": [3], "g": [2.0**-140], "h": pa.array([9], pa.uint64())}
        ),
        PARQUET,
        RECORDS,
        KNOWN,
    ),
    "broken": (b'[{"a": 1', JSON, RECORDS, KNOWN),
    "bad cells": (dumped([{**ROW, "a": 1.5}, {**ROW, "C": 1}]), JSON, RECORDS, KNOWN),
    "too many rows": (dumped([{}] * 20_001), JSON, RECORDS, KNOWN),
    "bad params": (dumped({"inputs": [ROW], "params": 1}), JSON, FORMS, KNOWN),
    "csv of tensors": (b"a\n1\n", CSV, RECORDS, TENSORS),
    "parquet, no file": (b"PAR1" * 3, PARQUET, RECORDS, KNOWN),
    "parquet, too large a number": (parquet({"a": [1], "c": ["x"], "h": [2**40]}), PARQUET, RECORDS, KNOWN),
    "parquet, infinite": (parquet({"a": [1], "c": ["x"], "b": [float("inf")]}), PARQUET, RECORDS, KNOWN),
    "parquet, texts for numbers": (parquet({"a": ["1"], "c": ["x"]}), PARQUET, RECORDS, KNOWN),
    "parquet, a fraction": (parquet({"a": [1.5], "c": ["x"]}), PARQUET, RECORDS, KNOWN),
}


def shown(checked: CheckedBody) -> Any:
    """Everything of it, in a form that tells 1 from 1.0 and NaT from NaT not."""
    columns = {
        name: (array.dtype, array.shape, array.tobytes() if array.dtype != object else repr(array.tolist()))
        for name, array in checked.batch.columns.items()
    }
    payload = replace(checked.payload, table=checked.payload.table)
    return list(columns), columns, checked.batch.rows, repr(payload.params), payload, checked.outputs, checked.own_id


def outcome(error: ServeError) -> Any:
    return type(error), error.message, error.details


def with_decoder(
    work: Callable[[Decoder], Awaitable[None]], settings: Settings = SETTINGS, seconds: float = WAIT_SECONDS
) -> None:
    async def run() -> None:
        made = Decoder(settings, LIMITS, Metrics(enabled=False))
        try:
            async with asyncio.timeout(seconds):
                await work(made)
        finally:
            made.stop()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # the loop of the servers
        runner.run(run())


@pytest.fixture(autouse=True)
def nothing_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """However small, a body goes to the process."""
    monkeypatch.setattr(decoders, "HERE_BYTES", -1)


def test_the_process_answers_what_decoding_here_answers() -> None:
    async def work(made: Decoder) -> None:
        for name, (data, kind, form, known) in CASES.items():
            try:
                expected: Any = shown(check_body(data, kind, form, known, LIMITS))
            except ServeError as error:
                expected = outcome(error)
            try:
                found: Any = shown(await made.check(data, kind, form, known))
            except ServeError as error:
                found = outcome(error)
            assert found == expected, name

    with_decoder(work)


def test_arrays_from_the_process_may_be_written_to() -> None:
    async def work(made: Decoder) -> None:
        columns = (await made.check(*CASES["parquet, many"])).batch.columns
        assert all(array.flags.writeable and array.flags.aligned for array in columns.values())

    with_decoder(work)


def test_small_json_needs_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoders, "HERE_BYTES", 128 << 10)

    async def work(made: Decoder) -> None:
        await made.check(*CASES["records"])
        assert made.pid is None
        await made.check(*CASES["parquet"])
        assert made.pid is not None

    with_decoder(work)


async def stopped_in(made: Decoder, name: str, number: int) -> asyncio.Task[CheckedBody]:
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
        ("parquet", signal.SIGABRT, Malformed),
        ("parquet", signal.SIGSEGV, Malformed),
        ("parquet", signal.SIGKILL, Unavailable),
        ("parquet", signal.SIGHUP, Unavailable),
        ("records", signal.SIGABRT, Unavailable),
    ],
)
def test_a_body_that_ends_the_process_is_one_requests_matter(
    name: str, number: int, kind: type[ServeError], caplog: pytest.LogCaptureFixture
) -> None:
    async def work(made: Decoder) -> None:
        asking = await stopped_in(made, name, number)
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


def test_a_body_that_takes_too_much_memory_is_refused_and_the_next_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoders, "LEAST_MEMORY", 16 << 20)
    large = dumped([{"a": n, "c": "x", "e": [[]] * 40} for n in range(9_000)])

    async def work(made: Decoder) -> None:
        with pytest.raises(TooLarge, match="more memory than there is for it; use `modelserve score`"):
            await made.check(large, JSON, RECORDS, KNOWN)
        assert (await made.check(*CASES["records"])).batch.rows == 2

    with_decoder(work, replace(SETTINGS, max_request_bytes=1))


def test_a_limit_of_memory_that_the_server_was_given_is_kept() -> None:
    """Of a process, as only root may raise it again."""
    code = """
import asyncio, resource
resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
from test_decoder import *
async def work(made):
    decoders.HERE_BYTES = -1
    for name in ("records", "parquet"):
        print((await made.check(*CASES[name])).batch.rows)
with_decoder(work)
"""
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.split()[-2:] == ["2", "2"], done.stderr


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


def test_a_file_that_takes_too_much_memory_is_refused_and_the_next_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoders, "LEAST_MEMORY", 96 << 20)  # of which pyarrow takes some for itself
    large = parquet({"a": list(range(15_000)), "c": [f"{n:04000d}" for n in range(15_000)]})  # within MAX_UNPACKED

    async def work(made: Decoder) -> None:
        with pytest.raises(TooLarge, match="more memory than there is for it; use `modelserve score`"):
            await made.check(large, PARQUET, RECORDS, KNOWN)
        assert (await made.check(*CASES["parquet"])).batch.rows == 2

    with_decoder(work, replace(SETTINGS, max_request_bytes=1))


def test_it_takes_no_signal_that_its_group_gets_and_is_behind_the_server() -> None:
    async def work(made: Decoder) -> None:
        await made.check(*CASES["records"])
        assert made.pid is not None
        process = psutil.Process(made.pid)
        assert process.nice() == os.nice(0) + 5
        for number in (signal.SIGINT, signal.SIGTERM):
            process.send_signal(number)
        before = made.pid
        await made.check(*CASES["records"])
        assert made.pid == before

    with_decoder(work)


def test_it_ends_by_itself_when_the_time_of_a_body_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the server that would end it is gone, and the body still comes from somebody who has its socket."""
    monkeypatch.setattr(decoders, "GRACE", 0.01)
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
from modelserve.http.bodies import JSON, RECORDS
from modelserve.core.metrics import Metrics
from modelserve.payloads import Limits
from modelserve.core.settings import Settings

async def main():
    decoder.HERE_BYTES = -1
    made = decoder.Decoder(Settings.from_environ({}), Limits(9, 9, 9), Metrics(enabled=False))
    await made.check(b'{"a": 1}', JSON, RECORDS, None)
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


def test_numbers_and_texts_of_parquet_come_without_a_python_value_each() -> None:
    from modelserve.payloads import parquet as parquets

    data, _, _, known = CASES["parquet, many"]
    columns = parquets.parse(data, known, LIMITS).table.columns
    assert all(isinstance(columns[name], np.ndarray) for name in ("a", "c", "g"))
