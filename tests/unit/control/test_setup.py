"""`scripts/setup` in a directory of its own, where what it installs with does nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from modelserve_control.processes import SOURCES
from modelserve_control.rows_library import LIBRARY

READS = (
    "scripts/setup",
    "scripts/requirements.txt",
    "pyproject.toml",
    "functions/modelserve/payloads/rows.c",
    "scripts/modelserve_control/rows_library.py",
)


def program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in READS:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(SOURCES / name, tmp_path / name)
    program(tmp_path / ".venv/bin/python", f'case "$*" in *rows_library) echo made > functions/{LIBRARY};; esac')
    program(tmp_path / ".venv/bin/uv", "")
    return tmp_path


def setup(checkout: Path) -> str:
    done = subprocess.run(
        [checkout / "scripts/setup"], env=os.environ | {"PYTHON": sys.executable}, text=True, capture_output=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_is_set_up_is_not_set_up_again_until_it_changes(checkout: Path) -> None:
    assert "making .venv" in setup(checkout)
    assert setup(checkout) == ""
    (checkout / "functions" / LIBRARY).unlink()
    assert "making .venv" in setup(checkout)
    (checkout / "scripts/requirements.txt").write_text("")
    assert "making .venv" in setup(checkout)
    assert setup(checkout) == ""
