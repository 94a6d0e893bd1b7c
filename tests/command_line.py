"""Runs the real `modelserve` command against a store, as a person or a script would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MODELSERVE = str(Path(sys.executable).with_name("modelserve"))
TIMEOUT_SECONDS = 120.0
SEEN_BY_COMMAND = ("PATH", "HOME", "LANG", "TMPDIR", "COVERAGE_PROCESS_START")


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


@dataclass(frozen=True)
class CommandLine:
    """`store` is a store's address; `environment` is added to a clean one."""

    store: str
    environment: Mapping[str, str] = field(default_factory=dict)

    def start(self, *words: object) -> subprocess.Popen[str]:
        clean = {name: os.environ[name] for name in SEEN_BY_COMMAND if name in os.environ}
        environment = clean | {"MODELSERVE_STORE": self.store} | dict(self.environment)
        command = [MODELSERVE, *map(str, words)]
        return subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)

    def __call__(self, *words: object, code: int = 0) -> Done:
        """Waits for the end and asserts the exit code."""
        return finish(self.start(*words), code)

    def json(self, *words: object, code: int = 0) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self(*words, "--json", code=code).out)


def finish(process: subprocess.Popen[str], code: int = 0) -> Done:
    try:
        out, err = process.communicate(timeout=TIMEOUT_SECONDS)
    finally:
        process.kill()
    assert process.returncode == code, f"exit code {process.returncode}\n{out}\n{err}"
    return Done(process.returncode, out, err)
