"""Runs the steps of a build as Cloud Build does, on a copy of this repository, one after the other."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pipeline.definitions import ROOT, Definition, Step, substitute

WORKSPACE: Final = "workspace"
TOOLS: Final = ("docker", "gcloud", "syft", "terraform")
SEEN: Final = ("HOME", "LANG", "TMPDIR")
# Also what other rooms write and take away meanwhile: a file that is gone when it is copied would fail this one.
LEFT: Final = (
    ".git",
    ".venv",
    ".cache",
    ".coverage*",
    ".*_cache",
    "__pycache__",
    "mlruns",
    ".terraform",
    ".hypothesis",
    ".render.*",
)
# They would make the environment that runs this test, and look at every file for types: scripts/test of this
# repository itself has done both.
DONE_ALREADY: Final = ("scripts/setup", "scripts/check")
STEP_SECONDS: Final = 600.0  # for a step that hangs

Rule = dict[str, Any]
Order = Callable[[Definition], Sequence[Step]]


@dataclass(frozen=True)
class RunResult:
    """How a build ended: what each step that was started wrote, and the one that failed."""

    wrote: dict[str, str]
    failed: str | None

    def stopped_at(self, step: str) -> str:
        """What it wrote."""
        assert self.failed == step, f"{self.failed}: {self.wrote}"
        return self.wrote[step]


@dataclass
class Checkout:
    """The copy. `rules` say what the stand-ins do, `environ` is added to what each step sees."""

    root: Path
    rules: list[Rule] = field(default_factory=list)
    environ: dict[str, str] = field(default_factory=dict)

    @classmethod
    def made(cls, directory: Path) -> Checkout:
        root = directory / WORKSPACE
        shutil.copytree(ROOT, root, ignore=shutil.ignore_patterns(*LEFT))
        for script in DONE_ALREADY:
            (root / script).write_text(f'#!/bin/sh\necho {script} >>"$CALLS"\n')
        git(root, "init", "--quiet")
        git(root, "add", "--all")
        git(root, "commit", "--quiet", "--message", "A copy")
        (root / ".venv").symlink_to(Path(sys.executable).parents[1])
        checkout = cls(root)
        checkout.tools.mkdir()
        for tool in TOOLS:
            wrapper = checkout.tools / tool
            wrapper.write_text(
                f'#!/bin/sh\nexec {sys.executable} -IS {Path(__file__).with_name("stand_in.py")} {tool} "$@"\n'
            )
            wrapper.chmod(0o755)
        return checkout

    @property
    def tools(self) -> Path:
        return self.root.with_name("tools")

    @property
    def calls(self) -> list[str]:
        """What was asked of the stand-ins, in order."""
        path = self.root.with_name("calls")
        return path.read_text().splitlines() if path.exists() else []

    def calls_of(self, start: str) -> list[str]:
        return [call for call in self.calls if call.startswith(start)]

    def built_file(self, name: str) -> str:
        return (self.root / ".cache" / "build" / name).read_text()

    def replace(self, path: str, old: str, new: str) -> None:
        text = (self.root / path).read_text()
        assert old in text, old
        (self.root / path).write_text(text.replace(old, new))

    def run(self, path: str, values: Mapping[str, str], order: Order | None = None) -> RunResult:
        """Every step in turn, until one fails. `values` are what the trigger and Cloud Build itself substitute."""
        file = Definition(path, (self.root / path).read_text())
        known = {name: str(value) for name, value in file.raw["substitutions"].items()} | dict(values)
        known = {name: substitute(text, known) for name, text in known.items()}
        told = self.root.with_name("stand_ins.json")
        told.write_text(json.dumps(self.rules))
        own = {"CALLS": str(self.root.with_name("calls")), "STAND_INS": str(told)}
        sources = os.pathsep.join(str(self.root / name) for name in ("functions", "scripts"))
        environ = {name: os.environ[name] for name in SEEN if name in os.environ} | {"PYTHONPATH": sources}
        environ |= {"PATH": os.environ["PATH"]} | self.environ
        environ["PATH"] = f"{self.tools}{os.pathsep}{environ['PATH']}"
        wrote: dict[str, str] = {}
        for step in order(file) if order else file.steps:
            assert set(step.waits) <= set(wrote), f"{step.id} was started too early"
            done = subprocess.run(
                self.command(step, known), cwd=self.root, env=environ | known | own, text=True, timeout=STEP_SECONDS,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )  # fmt: skip
            wrote[step.id] = done.stdout
            if done.returncode:
                return RunResult(wrote, step.id)
        return RunResult(wrote, None)

    def command(self, step: Step, values: Mapping[str, str]) -> list[str]:
        if not step.script:
            return [step.name.rpartition("/")[2].partition(":")[0], *(substitute(word, values) for word in step.args)]
        script = self.root.with_name(f"{step.id}.script")
        script.write_text(step.script)
        script.chmod(0o755)
        return [str(script)]


def git(root: Path, *words: str) -> str:
    command = ["git", "-C", str(root), "-c", "user.name=t", "-c", "user.email=t@example.com", *words]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.strip()


def as_late_as_possible(file: Definition) -> list[Step]:
    """An order that the file allows too, in which a step that reads what it does not wait for finds nothing."""
    left, found = list(file.steps), []
    while left:
        needed = {name for step in left for name in step.waits}
        last = next(step for step in left if step.id not in needed)
        found.append(last)
        left.remove(last)
    return found[::-1]


def order_towards(step: str) -> Order:
    """What it waits for, then itself, then all others: for a build that is expected to stop there."""

    def order(file: Definition) -> list[Step]:
        first = {step, *file.before(step)}
        return sorted(file.steps, key=lambda one: one.id not in first)

    return order


def order_up_to(step: str) -> Order:
    """What it waits for and itself, and no other."""
    return lambda file: [one for one in file.steps if one.id in {step, *file.before(step)}]
