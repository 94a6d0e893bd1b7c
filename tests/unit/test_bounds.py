"""No test waits without end, and none takes the machine's memory: shown by tests that would."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from conftest import MEMORY

HANGS = """
import threading

def test_that_hangs():
    threading.Event().wait()

def test_behind_it():
    pass
"""


def test_a_test_that_hangs_fails_in_time_and_says_where(pytestconfig: pytest.Config, tmp_path: Path) -> None:
    assert 0 < float(pytestconfig.getini("timeout")) < 1_000
    planted = tmp_path / "test_planted.py"
    planted.write_text(HANGS)
    command = [sys.executable, "-m", "pytest", str(planted), "-c", str(pytestconfig.inipath), "-o", "timeout=1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Timeout (>1.0s) from pytest-timeout" in done.stdout
    assert "test_planted.py:5:" in done.stdout
    assert "1 failed, 1 passed" in done.stdout


def test_what_a_test_starts_may_take_no_more_memory_than_it() -> None:
    """Nobody writes to these pages, so this takes nothing of the machine where the limit fails."""
    command = [sys.executable, "-c", f"bytearray({MEMORY})"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.endswith("MemoryError\n")


def test_this_process_has_the_same_bound() -> None:
    with pytest.raises(MemoryError):
        bytearray(MEMORY)
