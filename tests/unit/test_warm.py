"""A fork of the warm process is to its starter what a cold start is."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from modelserve_control.common import processes
from modelserve_control.common.processes import SOURCES
from warm import popen, warm

PROGRAM: Final = """
import atexit, json, os, subprocess, sys, threading
atexit.register(print, "at the end")
print(json.dumps({"argv": sys.argv[1:], "directory": os.getcwd(), "environ": dict(os.environ), "name": __name__}))
print(json.dumps({"starter": os.getppid(), "leads": os.getsid(0) == os.getpid(), "read": sys.stdin.read()}), flush=True)
if sys.argv[1] == "start":
    from modelserve_control.common import processes
    command = [*processes.launcher(), *processes.module("program", "child")]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, env=os.environ | {"CHILD": str(os.getpid())})
    sys.exit(done.returncode + 1)
if sys.argv[1] == "kit":
    import modelserve.core.errors, modelserve_control
    print(json.dumps({"kit": [modelserve.core.errors.__file__, modelserve_control.__file__]}))
if sys.argv[1] == "raise":
    raise ValueError("for a test")
if sys.argv[1] == "wait":
    threading.Event().wait()
print("for stderr", file=sys.stderr)
sys.exit(3)
"""
Start = Callable[..., subprocess.Popen[str]]
KINDS: Final[dict[str, Callable[[], Any]]] = {
    "cold": lambda: subprocess.Popen,
    "warm": lambda: popen(warm(("numpy", "modelserve_control.common.processes")), nested=True),
}


@pytest.fixture(params=KINDS)
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    (tmp_path / "program.py").write_text(PROGRAM)
    environ = processes.with_sources({"PATH": os.environ["PATH"]})
    path = f"{environ['PYTHONPATH']}:{tmp_path}"

    def started(*words: str, first: Path = tmp_path) -> subprocess.Popen[str]:
        environ["PYTHONPATH"] = f"{first}:{path}"
        pipe = subprocess.PIPE
        given = {"stdin": pipe, "stdout": pipe, "stderr": pipe, "text": True, "env": environ, "cwd": tmp_path}
        found: subprocess.Popen[str] = KINDS[request.param]()(processes.module("program", *words), **given)
        return found

    return started


def documents(out: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for line in out.splitlines():
        if line.startswith("{"):
            found |= json.loads(line)
    return found


def test_it_gets_what_it_was_given_and_is_a_child(start: Start, tmp_path: Path) -> None:
    with start("say", "a b", "") as process:
        out, err = process.communicate("what is read")
    said = documents(out)
    assert (said["argv"], said["directory"], said["name"]) == (["say", "a b", ""], str(tmp_path), "__main__")
    assert said["environ"].keys() - {"LC_CTYPE"} == {"PATH", "PYTHONPATH", "NO_PROXY", "no_proxy"}
    assert (said["starter"], said["leads"], said["read"]) == (os.getpid(), False, "what is read")
    assert (process.returncode, err, out.splitlines()[-1]) == (3, "for stderr\n", "at the end")


def test_what_it_starts_is_its_own_child(start: Start) -> None:
    with start("start") as process:
        out, err = process.communicate("")
    said = documents(out)
    assert said["argv"] == ["child"]
    assert said["starter"] == process.pid == int(said["environ"]["CHILD"])
    assert (process.returncode, err) == (4, "for stderr\n")


def test_another_copy_of_the_kit_is_taken_where_it_comes_first(start: Start, tmp_path: Path) -> None:
    kit = [
        str(SOURCES / "functions/modelserve/core/errors.py"),
        str(SOURCES / "scripts/modelserve_control/__init__.py"),
    ]
    for copy in ("", "modelserve_control", "modelserve"):
        if copy:
            source = SOURCES / ("functions" if copy == "modelserve" else "scripts") / copy
            shutil.copytree(source, tmp_path / "copy" / copy)
            kit = [one.replace(str(source), str(tmp_path / "copy" / copy)) for one in kit]
        with start("kit", first=tmp_path / "copy") as process:
            out, _ = process.communicate("")
        assert documents(out)["kit"] == kit


def test_what_it_raises_is_told(start: Start) -> None:
    with start("raise") as process:
        _, err = process.communicate("")
    assert (process.returncode, err.splitlines()[-1]) == (1, "ValueError: for a test")


def test_a_signal_ends_it(start: Start) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with start("wait") as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.close()
            assert [json.loads(process.stdout.readline()) for _ in range(2)]
            process.send_signal(number)
        assert process.returncode == -number
