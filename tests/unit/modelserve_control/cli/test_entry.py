"""Ctrl-C in the first moment of `modelserve`, while it still imports: one import waits until the test lets it go on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from modelserve_control.common.processes import SOURCES
from warm import MODELSERVE

MODULE, FUNCTION = tomllib.loads((SOURCES / "pyproject.toml").read_text())["project"]["scripts"]["modelserve"].split(
    ":"
)
PROGRAM = f"import sys; from {MODULE} import {FUNCTION}; sys.exit({FUNCTION}())"
TIMEOUT_SECONDS = 60.0
LET_GO = 7


@pytest.fixture
def importing(tmp_path: Path) -> list[str]:
    """The command, which prints a line when it imports click, and ends with `LET_GO` after its stdin has ended."""
    (tmp_path / "click.py").write_text(
        f"import sys\nprint('importing', flush=True)\nsys.stdin.read()\nsys.exit({LET_GO})\n"
    )
    path = os.pathsep.join(str(folder) for folder in (tmp_path, SOURCES / "scripts", SOURCES / "functions"))
    return ["env", f"PYTHONPATH={path}", sys.executable, "-c", PROGRAM]


def interrupt(command: list[str]) -> tuple[int, str, str]:
    pipe = subprocess.PIPE
    with subprocess.Popen(command, text=True, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "importing\n"
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=TIMEOUT_SECONDS)
        finally:
            process.kill()
    return process.returncode, out, err


def test_ctrl_c_while_it_imports_ends_it_without_a_word(importing: list[str]) -> None:
    assert interrupt(importing) == (-signal.SIGINT, "", "")


def test_ctrl_c_is_not_for_a_command_in_the_background(importing: list[str]) -> None:
    background = ["sh", "-c", 'trap "" INT; exec "$@"', "sh"]
    assert interrupt([*background, *importing]) == (LET_GO, "", "")


@pytest.mark.parametrize("words", [["promote"], ["bogus"], ["promote", "m", "1", "--bogus"]])
def test_a_wrong_use_is_told_as_json_where_json_is_asked_for(words: list[str]) -> None:
    done = subprocess.run([MODELSERVE, *words, "--json"], capture_output=True, text=True, timeout=TIMEOUT_SECONDS)
    assert (done.returncode, done.stderr) == (2, "")
    assert json.loads(done.stdout)["error_code"] == "BAD_SETTING"
