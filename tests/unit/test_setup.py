"""`scripts/setup` in a directory of its own, where what it installs with does nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from modelserve_control.common.processes import SOURCES
from modelserve_control.deploy.package import python_version

READS = (
    "scripts/setup",
    "scripts/requirements.txt",
    ".python-version",
    "pyproject.toml",
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
    program(tmp_path / ".venv/bin/python", "")
    program(tmp_path / ".venv/bin/uv", "")
    return tmp_path


def setup(checkout: Path, code: int = 0, **settings: str) -> str:
    """What it says."""
    settings = settings or {"PYTHON": sys.executable}
    environ = {name: value for name, value in os.environ.items() if name != "PYTHON"} | settings
    done = subprocess.run([checkout / "scripts/setup"], env=environ, text=True, capture_output=True)
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def test_what_is_set_up_is_not_set_up_again_until_it_changes(checkout: Path) -> None:
    assert "making .venv" in setup(checkout)
    assert setup(checkout) == ""
    (checkout / "scripts/requirements.txt").write_text("")
    assert "making .venv" in setup(checkout)
    assert setup(checkout) == ""


def test_another_python_than_that_of_the_functions_is_refused(checkout: Path) -> None:
    (checkout / ".python-version").write_text("3.99\n")
    assert "setup: modelserve needs Python 3.99, and " in setup(checkout, code=1)


PYTHON = """case "$*" in
*process_time*) {measured} ;;
*"-m venv"*) mkdir -p .venv/bin && ln -s /bin/true .venv/bin/python ;;
*) exec {python} "$@" ;;
esac"""
MEASURED = {"broken": "exit 1", "slow": "echo 100", "alike": "echo 95", "fast": "echo 50", "faster": "echo 47"}


def test_the_fastest_python_that_can_make_a_venv_is_taken_unless_one_is_named(checkout: Path) -> None:
    (checkout / ".venv/bin/python").unlink()
    found = f"python{python_version(SOURCES)}"
    for folder, measured in MEASURED.items():
        program(checkout / folder / found, PYTHON.format(measured=measured, python=sys.executable))
    system = os.environ["PATH"]
    for folders, taken in ((MEASURED, "fast"), (("slow", "alike"), "slow"), (("alike", "broken"), "alike")):
        path = os.pathsep.join([*(str(checkout / folder) for folder in folders), system])
        assert f".venv gets {checkout / taken / found}, the fastest " in setup(checkout, PATH=path)
        (checkout / ".venv/bin/python").unlink()
        (checkout / ".venv/.wanted").unlink()
    named = setup(checkout, PYTHON=str(checkout / "slow" / found), PATH=system)
    assert f".venv gets {checkout / 'slow' / found}, which PYTHON names" in named


def test_what_checks_the_code_checks_it_for_the_same_python() -> None:
    tools = tomllib.loads((SOURCES / "pyproject.toml").read_text())["tool"]
    assert tools["mypy"]["python_version"] == python_version(SOURCES)
    assert tools["ruff"]["target-version"] == f"py{python_version(SOURCES).replace('.', '')}"
