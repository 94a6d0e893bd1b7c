"""Bodies that are made to hurt, through a real server: each gets its answer, and the others theirs."""

from __future__ import annotations

import json
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psutil
import pytest

from contract.http.customers import RECORDS, as_parquet
from security.damaged_parquet import PARQUET, RIGHT, answers, family
from security.hostile_parquet import ABORT, LIE
from serving import Functions, Served

if TYPE_CHECKING:
    from models.library import Library  # imports mlflow, which takes seconds

MIB = 1 << 20
JSON = {"content-type": "application/json"}
FEW = 300
LARGE = json.dumps([{**RECORDS[0], "note": "x" * 200}] * 1_000).encode()


@pytest.fixture(scope="module")
def served(functions: Functions) -> Served:
    return functions("churn", MAX_HELD_BYTES=str(3 * len(LARGE)))


def post(served: Served, data: bytes, headers: dict[str, str] = PARQUET) -> httpx.Response:
    return served.client.post("/predict", content=data, headers=headers)


def memory(served: Served) -> int:
    """Bytes that the server and its decoder have taken at most, each."""
    pids, decoders = family(served)
    found = 0
    for pid in [*pids, *(process.pid for process in decoders)]:
        status = Path(f"/proc/{pid}/status").read_text()
        found += int(status.partition("VmHWM:")[2].split()[0]) * 1024
    return found


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [(ABORT, 400, "MALFORMED_REQUEST"), (LIE, 413, "TOO_LARGE")],
    ids=["abort", "a bomb that lies"],
)
def test_a_hostile_file_is_refused_in_bounded_memory_and_the_same_process_answers_the_next(
    served: Served, data: bytes, status: int, code: str
) -> None:
    assert post(served, as_parquet()).status_code == 200
    before, taken = family(served)[0], memory(served)
    answer = post(served, data)
    assert (answer.status_code, answer.json()["error_code"]) == (status, code)
    assert post(served, as_parquet()).status_code == 200
    assert family(served)[0] == before
    assert memory(served) < taken + 330 * MIB


def test_a_few_files_damaged_at_random_each_get_an_answer(served: Served) -> None:
    before = family(served)[0]
    found = answers(served, seed=7, count=FEW)
    assert set(found) <= RIGHT
    assert found.total() == FEW
    assert family(served)[0] == before


@contextmanager
def held(served: Served) -> Iterator[psutil.Process]:
    """The decoder does nothing while the block runs."""
    assert post(served, as_parquet()).status_code == 200
    (decoder,) = family(served)[1]
    decoder.send_signal(signal.SIGSTOP)
    try:
        yield decoder
    finally:
        if decoder.is_running():
            decoder.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("large", ["json", "parquet"])
def test_others_are_answered_while_a_body_is_decoded_and_nothing_is_lost(served: Served, large: str) -> None:
    body, headers = (as_parquet(), PARQUET) if large == "parquet" else (LARGE, JSON)
    with ThreadPoolExecutor(1) as pool:
        with held(served):
            waiting = pool.submit(httpx.post, f"{served.url}/predict", content=body, headers=headers, timeout=120)
            for _ in range(20):
                assert served.post("/predict", RECORDS[0]).status_code == 200
            assert not waiting.done()
        assert waiting.result().status_code == 200
        found = waiting.result().json()
        assert len(found["predictions"] if large == "parquet" else found) == (3 if large == "parquet" else 1_000)


def test_large_bodies_that_find_no_room_are_refused_at_once_and_the_others_answered(served: Served) -> None:
    refused = threading.Semaphore(0)

    def send(_: int) -> httpx.Response:
        answer = httpx.post(f"{served.url}/predict", content=LARGE, headers=JSON, timeout=120)
        if answer.status_code != 200:
            refused.release()
        return answer

    with ThreadPoolExecutor(12) as pool:
        with held(served):
            sent = [pool.submit(send, place) for place in range(12)]
            for _ in range(9):
                assert refused.acquire(timeout=60)
            assert served.post("/predict", RECORDS[0]).status_code == 200
        found = [one.result() for one in sent]
    assert Counter(answer.status_code for answer in found) == {200: 3, 429: 9}
    late = [answer for answer in found if answer.status_code == 429]
    assert all(answer.headers["retry-after"] == "1" and answer.json()["error_code"] == "OVERLOADED" for answer in late)
    assert post(served, LARGE, JSON).status_code == 200


def test_a_decoder_that_ends_is_one_line_and_one_count(functions: Functions) -> None:
    served = functions("churn", METRICS="true")
    with ThreadPoolExecutor(1) as pool, held(served) as decoder:
        waiting = pool.submit(post, served, as_parquet())
        decoder.send_signal(signal.SIGABRT)
        decoder.send_signal(signal.SIGCONT)
        assert waiting.result().status_code in (200, 400)  # 200 where the signal was before the body
    assert post(served, as_parquet()).status_code == 200
    log = [json.loads(line) for line in served.child.log.read_text().splitlines() if "the decoder ended" in line]
    assert [(line["severity"], line["status"]) for line in log] == [("WARNING", -signal.SIGABRT)]
    counts = [line for line in served.client.get("/metrics").text.splitlines() if "decoder_ends_total{" in line]
    assert [line.rpartition(" ")[2] for line in counts] == ["1.0"]


def test_what_reads_parquet_is_not_in_the_server(models: Library, tmp_path: Path) -> None:
    """A compiled one: pandas, which scores native ones, has its own use for pyarrow."""
    compiled = Functions(models, tmp_path, "compiled", cold=True)
    try:
        no_pyarrow_in(compiled("churn"))
    finally:
        compiled.close()


def no_pyarrow_in(served: Served) -> None:
    assert post(served, as_parquet()).status_code == 200
    pids, (decoder,) = family(served)
    assert "libparquet" in Path(f"/proc/{decoder.pid}/maps").read_text()
    assert not any("libarrow" in Path(f"/proc/{pid}/maps").read_text() for pid in pids)


def test_without_parquet_it_is_415_and_no_decoder_is_ever_started(functions: Functions) -> None:
    served = functions("churn", PARQUET="false")
    answer = post(served, as_parquet())
    assert (answer.status_code, answer.json()["error_code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")
    assert served.post("/predict", RECORDS[0]).status_code == 200
    assert not family(served)[1]


VALUES: list[tuple[Any, int]] = [([1] * 900, 200), ([1] * 1_100, 413), ([[]] * 1_100, 413), ("[,{" * 500, 200)]


@pytest.mark.parametrize(("value", "status"), VALUES, ids=["below", "numbers", "lists", "signs in a text"])
def test_values_are_counted_and_not_those_in_texts(functions: Functions, value: Any, status: int) -> None:
    served = functions("churn", MAX_CELLS="1000")
    answer = served.post("/predict", {**RECORDS[0], "extra": value})
    assert answer.status_code == status
    if status == 413:
        assert "MAX_CELLS sets; use `modelserve score`" in answer.json()["message"]
