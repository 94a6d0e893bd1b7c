"""Two minutes of `scripts/soak`: every answer right, nothing failed, and nothing grows."""

from __future__ import annotations

import subprocess

from modelserve_control.common.processes import SOURCES

LONGEST = 900  # seconds, with publishing and the start


def test_two_minutes_of_mixed_load() -> None:
    done = subprocess.run([SOURCES / "scripts" / "soak", "2"], capture_output=True, text=True, timeout=LONGEST)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("0 wrong, 0 failed, nothing grows\n")
