"""SIGTERM: what was accepted is answered, within the ten seconds that Cloud Run gives."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx

from faults.clients import POST, connected
from modelserve_control.common.processes import GRACE
from serving import Functions, serving


def calls(gate: Path) -> int:
    path = gate.with_name(f"{gate.name}.calls")
    return len(path.read_text().splitlines()) if path.exists() else 0


def test_requests_in_flight_are_answered_after_sigterm(functions: Functions, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    settings = {"MODEL_URI": str(functions.models.slow(gate)), "MODEL_TRUST": "pickle", "PREDICT_TIMEOUT_SECONDS": "60"}
    with serving(tmp_path / "log", settings) as served, ExitStack() as exit:
        body = b'{"x": 1.0, "seconds": 0.0}'
        waiting = [exit.enter_context(connected(served, POST % len(body) + body)) for _ in range(4)]
        served.child.wait_until(lambda: calls(gate) > 0)
        for _ in range(2):  # so what was sent before has been read
            assert served.client.get("/health/live").status_code == 200
        served.child.terminate()
        served.child.wait_until(lambda: refuses(served.url))
        gate.touch()
        assert [connection.recv(12) for connection in waiting] == [b"HTTP/1.1 200"] * 4
        assert served.child.wait(GRACE)


def refuses(url: str) -> bool:
    """Whether the port takes no new connection."""
    try:
        httpx.get(f"{url}/health/live", timeout=30, trust_env=False)
    except (httpx.ConnectError, httpx.ReadError):
        return True
    return False


def test_concurrent_first_requests_share_one_load(functions: Functions, tmp_path: Path) -> None:
    settings = {"MODEL_URI": str(functions.models.path("linear10")), "MODEL_TRUST": "pickle"}
    settings |= {"LOAD_BEFORE_LISTEN": "false"}
    query = {f"G{number}": 0.0 for number in range(1, 11)}
    log = tmp_path / "log"
    with serving(log, settings, ready="/health/live", cold=True) as served, ThreadPoolExecutor(16) as pool:
        asked = [pool.submit(httpx.get, f"{served.url}/", params=query, timeout=60, trust_env=False) for _ in range(16)]
        assert [future.result().status_code for future in asked] == [200] * 16
    assert served.child.log.read_text().count("version activated") == 1
