"""Effects of the largest bodies: p99 of concurrent one-row requests, and memory with 80 such bodies at once."""

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

from benchmarks.load.closed_loop import HOST
from benchmarks.measure.round import require_success
from benchmarks.model import Model
from benchmarks.servers.running import MAX_START_SECONDS, RunningServer, Site, run_server
from benchmarks.servers.table import Server
from modelserve.core.settings import Settings
from modelserve.payloads.decode import JSON, PARQUET

CONNECTIONS: Final = 4
CONCURRENT_BODIES: Final = 80
PREDICT_PATH: Final = "/predict"
POLL_SECONDS: Final = 0.02  # between two readings of the memory
MAX_MEMORY_MIB: Final = 1024.0  # of an instance
MAX_P99_MS: Final = 50.0  # milliseconds


def bodies(server: Server, site: Site, seconds: float) -> Mapping[str, float]:
    """`json_p99` and `parquet_p99`: milliseconds of one-row requests while another client sends one largest body after another.
    `json_body` and `parquet_body`: seconds per largest body. `peak`: MiB of the server and its decoder with 80 JSON bodies at
    once. `answered`, `refused` and `late` count these 80; a late one was neither answered nor refused.

    Raises FailedRequests.
    """
    found: dict[str, float] = {}
    largest = {"json": (JSON, largest_json(site.model)), "parquet": (PARQUET, largest_parquet(site.model))}
    with run_server(server, site) as running:
        for name, (kind, body) in largest.items():
            send(running.port, kind, body)  # starts the decoder
            with send_repeatedly(running.port, kind, body) as times:
                load = require_success(running, running.drive(1, CONNECTIONS, seconds=seconds))
            found |= {f"{name}_p99": load.percentile(0.99) * 1e3, f"{name}_body": sum(times) / len(times)}
        statuses, found["peak"] = send_together(running, *largest["json"])
    answered, refused = statuses[200], statuses[429] + statuses[503]
    return found | {"answered": answered, "refused": refused, "late": CONCURRENT_BODIES - answered - refused}


def largest_json(model: Model) -> bytes:
    """As many records as the default settings allow."""
    settings = Settings.from_environ({})
    records = [json.dumps(row, separators=(",", ":")) for row in model.rows]
    each = sum(map(len, records)) / len(records) + 1
    cells = settings.max_cells // (len(model.rows[0]) + 2)
    count = min(settings.max_rows, cells, int(0.99 * settings.max_request_bytes / each))
    return f"[{','.join(records[place % len(records)] for place in range(count))}]".encode()


def largest_parquet(model: Model) -> bytes:
    """As many rows as the default settings allow. A distinct number in each row prevents compact encodings."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    count = Settings.from_environ({}).max_rows
    rows = [model.rows[place % len(model.rows)] for place in range(count)]
    table = pa.Table.from_pylist([{**row, "row": place} for place, row in enumerate(rows)])
    file = io.BytesIO()
    pq.write_table(table, file, compression="NONE", use_dictionary=False)
    return file.getvalue()


@contextmanager
def send_repeatedly(port: int, kind: str, body: bytes) -> Iterator[list[float]]:
    """Send the body again and again while the block runs. The list receives the seconds of each request."""
    times: list[float] = []
    over = threading.Event()

    def send_until_over() -> None:
        while not over.is_set():
            began = time.perf_counter()
            status = send(port, kind, body)
            if status != 200:
                raise RuntimeError(f"a large body got status {status}")
            times.append(time.perf_counter() - began)

    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(send_until_over)
        try:
            yield times
        finally:
            over.set()
        sending.result()


def send_together(running: RunningServer, kind: str, body: bytes) -> tuple[Counter[int], float]:
    """Send 80 bodies at once. Returns the number of answers by status, and the peak memory in MiB."""
    peak = running.memory()
    with ThreadPoolExecutor(CONCURRENT_BODIES) as pool:
        sending = [pool.submit(send, running.port, kind, body) for _ in range(CONCURRENT_BODIES)]
        while not all(one.done() for one in sending):
            with suppress(psutil.NoSuchProcess):  # the decoder is stopped when a body takes too long
                peak = max(peak, running.memory())
            time.sleep(POLL_SECONDS)
    return Counter(one.result() for one in sending), peak


def send(port: int, kind: str, body: bytes) -> int:
    """The status, or 0 if the connection ends without one."""
    connection = http.client.HTTPConnection(HOST, port, timeout=MAX_START_SECONDS)
    try:
        connection.putrequest("POST", PREDICT_PATH)
        connection.putheader("Content-Type", kind)
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders()
        with suppress(OSError):  # the server may answer before it has read the whole body
            connection.send(body)
        response = connection.getresponse()
        response.read()
        return response.status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()
