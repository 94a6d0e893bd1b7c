"""`modelserve serve`, as a person starts it."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from command_line import CommandLine, finish
from serving import Served

if TYPE_CHECKING:
    from models.library import Library  # imports mlflow, which takes seconds


@pytest.fixture
def command(served: Served) -> CommandLine:
    return CommandLine(str(served.child.log.parent / "store"))


def run(line: str) -> str:
    return subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=120, check=True).stdout


def test_a_name_is_served_with_a_line_that_works_until_ctrl_c(command: CommandLine, served: Served) -> None:
    with command.started("serve", "churn@champion", "--port", "0") as process:
        assert process.stdout is not None
        first, curl, page, last = (process.stdout.readline().strip() for _ in range(4))
        assert first.startswith("churn version 1 answers at http://127.0.0.1:")
        row = {"contract": "one_year", "tenure": 41, "monthlycharges": 79.85}
        assert json.loads(run(curl)) == served.post("/predict", row).json()
        assert "<title>Try the model" in httpx.get(page.rpartition(" ")[2], trust_env=False).text
        assert last.endswith("Ctrl-C stops it.")
        process.send_signal(signal.SIGINT)
        done = finish(process, 130)
    assert (done.out, done.err) == ("", "")
    assert not Path(last.removeprefix("Log: ").partition(". ")[0]).parent.exists()


def test_the_event_function_answers_what_it_would_publish(command: CommandLine) -> None:
    with command.started("serve", "churn", "--event", "--port", "0", "--json") as process:
        assert process.stdout is not None
        answer = json.loads(process.stdout.readline())
        found = json.loads(run(answer["curl"]))
        process.send_signal(signal.SIGTERM)
        finish(process, 143)
    assert "page" not in answer
    assert '"prediction":"no"' in json.dumps(found).replace('": ', '":').replace("\\", "")


def test_a_directory_that_may_not_be_loaded_says_why(command: CommandLine, models: Library) -> None:
    done = command("serve", models.path("churn_pickle"), "--port", "0", "--trust", "strict", code=1)
    assert "pickle" in done.err
    assert done.err.startswith("modelserve: No model is active. ")
    assert done.out == ""


def test_a_port_that_is_taken_is_said_before_anything_starts(command: CommandLine) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = command("serve", "churn", "--port", port, code=2)
    assert done.err == f"modelserve: Port {port} cannot be used (Address already in use); choose another --port, or 0 for a free one.\n"  # fmt: skip
