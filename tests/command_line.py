"""Runs the real `modelserve` command against a store, as a person or a script would."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from warm import CLOUD, MODELS, MODELSERVE, STORE, popen, warm

TIMEOUT_SECONDS = 300.0  # of a command that hangs: on a busy machine one takes many times as long
SEEN_BY_COMMAND = ("PATH", "HOME", "LANG", "TMPDIR", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
# Commands that a warm process starts. At least one test of each starts it cold.
SLOW_IMPORTS = {
    "publish": MODELS,
    "score": MODELS,
    "compare": MODELS,
    "console": MODELS,
    "drift": MODELS,
    "evaluate": MODELS,
    "release": MODELS,
    "retrain": MODELS,
    "rollout": CLOUD,
    "failover": CLOUD,
}
# Every other command is started cold once a room, and then by a warm process of what reads a bucket.
STARTED: set[str] = set()


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


@dataclass(frozen=True)
class CommandLine:
    """`store` is a store's address; `publish` makes it where it is a missing directory. `environment` is added
    to a clean one. `cold`: with all imports, as a person starts it."""

    store: str
    environment: Mapping[str, str] = field(default_factory=dict)
    cold: bool = False

    @contextmanager
    def started(self, *words: object) -> Iterator[subprocess.Popen[str]]:
        """A process that is killed when the test is done with it, or fails before, and when it hangs."""
        clean = {name: os.environ[name] for name in SEEN_BY_COMMAND if name in os.environ}
        environment = clean | {"MODELSERVE_STORE": self.store} | dict(self.environment)
        command = [MODELSERVE, *map(str, words), *(["--create"] if words[0] == "publish" else [])]
        pipe = subprocess.PIPE
        word = str(words[0])
        first = word not in SLOW_IMPORTS and word not in STARTED
        STARTED.add(word)
        packages = () if self.cold or first else SLOW_IMPORTS.get(word, STORE)
        start = popen(warm(packages), nested=True) if packages else subprocess.Popen
        with start(command, text=True, stdout=pipe, stderr=pipe, env=environment) as process:
            hanging = threading.Timer(TIMEOUT_SECONDS, process.kill)
            hanging.daemon = True
            hanging.start()
            try:
                yield process
            finally:
                hanging.cancel()
                process.kill()

    def __call__(self, *words: object, code: int = 0) -> Done:
        """Waits for the end and asserts the exit code."""
        with self.started(*words) as process:
            return finish(process, code)

    def json(self, *words: object, code: int = 0) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self(*words, "--json", code=code).out)


def finish(process: subprocess.Popen[str], code: int = 0) -> Done:
    """Waits for the end and asserts the exit code."""
    out, err = process.communicate(timeout=TIMEOUT_SECONDS)
    assert process.returncode == code, f"exit code {process.returncode}\n{out}\n{err}"
    return Done(process.returncode, out, err)
