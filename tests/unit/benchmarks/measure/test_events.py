"""The event function is the same server with another entry point, and errors quote its client."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import processors
from benchmarks.measure.events import LIMITS, Mode, event_server, events, read_line, send_line, worker_server
from benchmarks.measure.round import FailedRequests
from benchmarks.model import Model
from benchmarks.servers.running import Site
from benchmarks.servers.storage import Store
from benchmarks.servers.table import OWN, RELAY, Server


@pytest.mark.parametrize("server", [server for server in OWN if server.runtime], ids=lambda server: server.name)
def test_only_the_entry_point_and_the_name_differ(server: Server) -> None:
    other = event_server(server)
    assert [pair for pair in zip(server.command, other.command, strict=True) if len(set(pair)) > 1] == [
        ("predict", "predict_event")
    ]
    assert (other.settings, other.runtime) == (server.settings, server.runtime)
    assert other.name != server.name


@pytest.mark.parametrize("server", [server for server in OWN if server.runtime], ids=lambda server: server.name)
def test_the_worker_has_the_settings_of_the_same_server(server: Server) -> None:
    other = worker_server(server)
    assert other.command[1:] == ("-m", "modelserve", "worker")
    assert other.settings.items() >= server.settings.items()
    assert other.runtime == server.runtime


@pytest.mark.parametrize("mode", LIMITS, ids=lambda mode: mode.title)
def test_the_relay_forwards_every_message_with_the_right_label(mode: Mode, tmp_path: Path) -> None:
    model = Model("m", tmp_path / "model", [{"x": 1}, {"x": 2}], ["no", "yes"])
    model.rows_file.write_text(json.dumps({"rows": model.rows, "expected": model.expected}))
    site = Site(model, Store("", "m"), tmp_path, processors.choose_pair())
    assert events(RELAY, site, 30, mode)["records"] == 30


def client(program: str) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", program], text=True, stdin=pipe, stdout=pipe, stderr=pipe)


def test_the_client_waits_for_the_start_signal() -> None:
    with client("print('warm', flush=True); print(input() == '', flush=True)") as process:
        assert read_line(process) == "warm\n"
        send_line(process)
        assert read_line(process) == "True\n"


def test_the_error_quotes_a_client_that_ended() -> None:
    program = "raise SystemExit('3 of 7 predictions came')"
    with client(program) as process, pytest.raises(FailedRequests, match="3 of 7 predictions came"):
        read_line(process)
