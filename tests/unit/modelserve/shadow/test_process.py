from __future__ import annotations

import asyncio
import logging
import socket
from typing import Any

import msgspec
import pytest

from modelserve.core.settings import Settings
from modelserve.core.sidecar import MAX_WARNINGS, SidecarLogFilter
from modelserve.payloads.json.oip_v2 import output_of
from modelserve.shadow.process import (
    MAX_CONCURRENT,
    Challenger,
    compare_answers,
)
from modelserve.shadow.report import Report
from modelserve.shadow.sender import Sample


def record(level: int, seconds: float) -> logging.LogRecord:
    made = logging.LogRecord("modelserve", level, __file__, 1, "text", (), None)
    made.created = seconds
    return made


def test_its_warnings_are_few() -> None:
    accepts = SidecarLogFilter()
    accepted = [accepts(record(logging.ERROR, 60.0 + number / 10)) for number in range(100)]
    assert sum(accepted) == MAX_WARNINGS
    assert accepts(record(logging.INFO, 110.0))
    assert accepts(record(logging.WARNING, 121.0))


def make_sample(path: str) -> Sample:
    return Sample(False, "POST", path, b"", b"", b"", b"", "tiny", "7", "r1")


def v2(**outputs: Any) -> Any:
    return {"model_name": "tiny", "outputs": [output_of(name, values).as_json() for name, values in outputs.items()]}


@pytest.mark.parametrize(
    ("path", "served", "shadow", "rows", "flipped", "places"),
    [
        ("/v2/models/t/infer", v2(predict=["no"]), v2(predict=["yes"]), 1, 1, ["/0/data/0"]),
        (
            "/v2/models/t/infer",
            v2(predict=["no"], predict_proba=[[0.75, 0.25]]),
            v2(predict=["yes"], predict_proba=[[0.25, 0.75]]),
            1, 1, ["/0/data/0", "/1/data/0/0", "/1/data/0/1"],
        ),
        ("/v2/models/t/infer", v2(predict=[1.5]), v2(predict=[1.5]), 0, 0, []),
        ("/v2/models/t/infer", v2(predict=[[0, 1], [1, 1]]), v2(predict=[[1, 0], [1, 1]]), 2, 1, ["/0/data/0/0", "/0/data/0/1"]),
        ("/v2/models/t/infer", v2(predict=[[], []]), v2(predict=[[], []]), 0, 0, []),
        ("/v2/models/t/infer", v2(predict=[1, 2]), v2(predict=[1]), 0, 0, ["/0/data"]),
        ("/predict", {"prediction": [0, 1]}, {"prediction": [1, 0]}, 1, 1, ["/prediction/0", "/prediction/1"]),
        ("/predict", [{"prediction": [0, 1]}], [{"prediction": [1, 1]}], 1, 1, ["/0/prediction/0"]),
        ("/invocations", {"predictions": [0, 1]}, {"predictions": [1, 1]}, 2, 1, ["/predictions/0"]),
    ],
)  # fmt: skip
def test_an_answer_is_compared_by_its_rows_in_every_form(
    path: str, served: Any, shadow: Any, rows: int, flipped: int, places: list[str]
) -> None:
    found = compare_answers(served, shadow, make_sample(path), 1e-6)
    assert (found.rows, found.flipped) == (rows, flipped)
    assert [one.place for one in found.differences] == places


def test_of_a_message_some_are_heard_at_a_time_until_the_end() -> None:
    samples = [Sample(False, "POST", "/predict", b"", b"", b"{}", b"1", "tiny", "7", str(place)) for place in range(40)]

    async def main(challenger: Challenger) -> list[list[Sample]]:
        return [await challenger.receive_samples() for _ in range(5)]

    sender, sock = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with sock:
        sock.setblocking(False)
        with sender:
            for message in (samples[:37], samples[37:]):
                sender.send(msgspec.msgpack.encode(message))
        settings = Settings.from_environ({"SHADOW_MODEL_URI": "/nowhere/models/n/versions/1"})
        received = asyncio.run(main(Challenger(settings, Report(settings), sock)))
    assert [sample for some in received for sample in some] == samples
    assert [len(some) for some in received] == [MAX_CONCURRENT, MAX_CONCURRENT, 37 - 2 * MAX_CONCURRENT, 3, 0]
