"""What one server process starts."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from modelserve_control.common.processes import SOURCES
from serving import CLEAN

# In a process of its own, since it starts again in each fork of the process that made it.
START = """
import threading
from modelserve.server.process import Process
process = Process()
process.start()
print(*[thread.name for thread in threading.enumerate()])
process.stop()
"""


@pytest.mark.parametrize(("percent", "starts"), [("5", True), ("0", False)])
def test_the_prediction_log_starts_with_the_server_and_not_with_the_first_request(percent: str, starts: bool) -> None:
    environ = {name: os.environ[name] for name in CLEAN if name in os.environ} | {
        "PYTHONPATH": str(SOURCES / "functions"),
        "MODEL_URI": "/nowhere/models/n/versions/1",
        "LOG_TOPIC": "projects/p/topics/t",
        "LOG_PERCENT": percent,
        "PUBSUB_EMULATOR_HOST": "127.0.0.1:1",
    }
    done = subprocess.run(
        [sys.executable, "-c", START], env=environ, capture_output=True, text=True, timeout=120, check=True
    )
    assert ("prediction_log" in done.stdout.split()) is starts
