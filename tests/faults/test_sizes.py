"""R18: at its limits and beyond them the container answers, takes little memory for it, and goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx
import psutil
import pytest

from faults.clients import GET, connected, read
from hosting import hosting
from serving import JSON, Served, release

if TYPE_CHECKING:
    from models.library import Library  # imports mlflow, which takes seconds

LIMIT: Final = 8 << 20  # bytes of a body
ROWS: Final = 1_000
CUSTOMER: Final[dict[str, Any]] = {"contract": "one_year", "tenure": 41, "monthlycharges": 79.85}
CSV: Final = {"content-type": "text/csv"}


@pytest.fixture(scope="module")
def served(models: Library, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    path = tmp_path_factory.mktemp("sizes")
    release(path / "store", "churn", models.path("churn"), runtime="compiled")
    settings = {"MODEL_URI": f"{path}/store/models/churn@champion", "MODEL_TRUST": "pickle", "DRAIN_SECONDS": "0"}
    settings |= {
        "MAX_REQUEST_BYTES": str(LIMIT),
        "MAX_ROWS": str(ROWS),
        "MAX_COLUMNS": "200",
        "PREDICT_TIMEOUT_SECONDS": "60",
    }
    with hosting("http", path / "log", settings) as made:
        for data in (
            record(),
            b"contract,tenure,monthlycharges\na,1,2\n",
        ):  # what the first request of its kind imports
            made.client.post("/predict", content=data, headers=JSON if data[:1] == b"{" else CSV)
        yield made


def record(size: int = 0) -> bytes:
    return json.dumps(CUSTOMER).encode().ljust(size)


def repeated(part: bytes, size: int) -> bytes:
    """A list of as many as fit."""
    return b"[" + b",".join([part] * ((size - 2) // (len(part) + 1))) + b"]"


BODIES: Final[dict[str, tuple[bytes, int, str]]] = {
    "a record at the limit": (record(LIMIT), 200, ""),
    "one byte more": (record(LIMIT + 1), 413, "TOO_LARGE"),
    "a text at the limit": (b'{"contract":"%b","tenure":1,"monthlycharges":1}' % (b"x" * (LIMIT - 50)), 200, ""),
    "10,000 deep": (b"[" * 10_000 + b"]" * 10_000, 400, "MALFORMED_REQUEST"),
    "a million deep": (b"[" * 1_000_000 + b"]" * 1_000_000, 413, "TOO_LARGE"),
    "5,000 digits": (b'{"contract":"a","tenure":%b,"monthlycharges":1}' % (b"9" * 5_000), 400, "MALFORMED_REQUEST"),
    "100,000 columns": (json.dumps({f"c{n}": n for n in range(100_000)}).encode(), 413, "TOO_LARGE"),
    "a million rows": (b"contract,tenure,monthlycharges\n" + b"a,1,2\n" * 1_000_000, 413, "TOO_LARGE"),
    "a million empty rows": (repeated(b"{}", 4_000_000), 413, "TOO_LARGE"),
    "a million numbers": (repeated(b"1", 2_000_000), 413, "TOO_LARGE"),
}


# Beside the body its text comes back from the decoder: as bytes, and as the text.
TIMES: Final = {"a text at the limit": 3.1}


def peak(served: Served) -> int:
    """The most memory that the server has had since `forget`, in bytes."""
    lines = Path(f"/proc/{served.child.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))


def forget(served: Served) -> int:
    """Counts the peak anew; what the server has now. See proc_pid_clear_refs(5)."""
    Path(f"/proc/{served.child.pid}/clear_refs").write_text("5")
    return int(psutil.Process(served.child.pid).memory_info().rss)


@pytest.mark.parametrize("chunked", [False, True], ids=["a length", "chunks"])
@pytest.mark.parametrize("case", BODIES)
def test_a_large_body_is_answered_within_a_few_times_its_limit(served: Served, case: str, chunked: bool) -> None:
    data, status, code = BODIES[case]
    parts = (data[at : at + 65_536] for at in range(0, len(data), 65_536))
    headers = CSV if data.startswith(b"contract") else JSON
    before = forget(served)
    try:
        answer = served.client.post("/predict", content=parts if chunked else data, headers=headers)
    except httpx.TransportError:  # refused before all of it was sent
        assert status == 413
    else:
        assert answer.status_code == status, answer.text[:500]
        assert answer.json().get("error_code", "") == code
    assert peak(served) - before < TIMES.get(case, 3) * LIMIT
    assert good(served)


def good(served: Served) -> bool:
    return served.post("/predict", CUSTOMER).status_code == 200


@pytest.mark.parametrize("line", [b"GET /" + b"a" * (1 << 20), GET + b"x: " + b"a" * (1 << 20)])
def test_a_megabyte_of_address_or_header_is_refused(served: Served, line: bytes) -> None:
    before = forget(served)
    with connected(served) as connection:
        with suppress(ConnectionError):  # it may be refused before all of it was sent
            connection.sendall(line)
        assert read(connection)[9:12] in (b"414", b"431", b"")
    assert peak(served) - before < LIMIT
    assert good(served)
