"""What the largest bodies do to the others: p99 of one-row requests beside one of them, and memory with 80 at once."""

from __future__ import annotations

import http.client
import io
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Final

import psutil

from benchmarks.load import HOST
from benchmarks.measure import good
from benchmarks.model import Model
from benchmarks.running import LONGEST_START, Running, Site, running
from benchmarks.servers import Server
from modelserve.core.settings import Settings
from modelserve.payloads.decode import JSON, PARQUET

CONNECTIONS: Final = 4
TOGETHER: Final = 80
PATH: Final = "/predict"
POLL: Final = 0.02  # seconds between two looks at the memory
LIMIT_MIB: Final = 1024.0  # of an instance
LIMIT_P99: Final = 50.0  # milliseconds


def bodies(server: Server, site: Site, seconds: float) -> Mapping[str, float]:
    """`json_p99` and `parquet_p99` in milliseconds, of others beside one such body after another; `json_body` and
    `parquet_body`, seconds that one of them takes meanwhile; `peak` in MiB, of the server and its decoder with 80 of the
    JSON bodies at once, and how many of these were `answered`, `refused` at once, and neither, `late`.

    Raises FailedRequests.
    """
    found: dict[str, float] = {}
    largest = {"json": (JSON, largest_json(site.model)), "parquet": (PARQUET, largest_parquet(site.model))}
    with running(server, site) as now:
        for name, (kind, body) in largest.items():
            send(now.port, kind, body)  # starts the decoder
            with beside(now.port, kind, body) as times:
                load = good(now, now.drive(1, CONNECTIONS, seconds=seconds))
            found |= {f"{name}_p99": load.percentile(0.99) * 1e3, f"{name}_body": sum(times) / len(times)}
        statuses, found["peak"] = at_once(now, *largest["json"])
    answered, refused = statuses[200], statuses[429] + statuses[503]
    return found | {"answered": answered, "refused": refused, "late": TOGETHER - answered - refused}


def largest_json(model: Model) -> bytes:
    """As many records as the default settings take."""
    settings = Settings.from_environ({})
    records = [json.dumps(row, separators=(",", ":")) for row in model.rows]
    each = sum(map(len, records)) / len(records) + 1
    cells = settings.max_cells // (len(model.rows[0]) + 2)
    count = min(settings.max_rows, cells, int(0.99 * settings.max_request_bytes / each))
    return f"[{','.join(records[place % len(records)] for place in range(count))}]".encode()


def largest_parquet(model: Model) -> bytes:
    """As many rows, no two alike in their numbers, so that there is much to read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    count = Settings.from_environ({}).max_rows
    rows = [model.rows[place % len(model.rows)] for place in range(count)]
    table = pa.Table.from_pylist([{**row, "row": place} for place, row in enumerate(rows)])
    file = io.BytesIO()
    pq.write_table(table, file, compression="NONE", use_dictionary=False)
    return file.getvalue()


@contextmanager
def beside(port: int, kind: str, body: bytes) -> Iterator[list[float]]:
    """One such body after another while the block runs; the seconds that each took."""
    times: list[float] = []
    over = threading.Event()

    def again() -> None:
        while not over.is_set():
            began = time.perf_counter()
            status = send(port, kind, body)
            if status != 200:
                raise RuntimeError(f"a large body was answered by {status}")
            times.append(time.perf_counter() - began)

    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(again)
        try:
            yield times
        finally:
            over.set()
        sending.result()


def at_once(now: Running, kind: str, body: bytes) -> tuple[Counter[int], float]:
    """How many of 80 got which status, and the greatest memory meanwhile."""
    peak = now.memory()
    with ThreadPoolExecutor(TOGETHER) as pool:
        sending = [pool.submit(send, now.port, kind, body) for _ in range(TOGETHER)]
        while not all(one.done() for one in sending):
            with suppress(psutil.NoSuchProcess):  # a decoder ends with a body that took too long
                peak = max(peak, now.memory())
            time.sleep(POLL)
    return Counter(one.result() for one in sending), peak


def send(port: int, kind: str, body: bytes) -> int:
    """The status; 0 when the connection ends before there is one."""
    connection = http.client.HTTPConnection(HOST, port, timeout=LONGEST_START)
    try:
        connection.putrequest("POST", PATH)
        connection.putheader("Content-Type", kind)
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders()
        with suppress(OSError):  # answered before all was read
            connection.send(body)
        response = connection.getresponse()
        response.read()
        return response.status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()
