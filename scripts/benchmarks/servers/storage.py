"""The bucket that our servers read. The `modelserve` command publishes the models."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.model import Model
from modelserve.core.errors import ServeError
from modelserve_control.common import processes
from modelserve_control.common.services.client import ServiceClient
from modelserve_control.local import emulators

BUCKET = "benchmark"
VERSIONS = ("1", "2")
NATIVE_RUNTIME, COMPILED_RUNTIME = "native", "compiled"
# The value of `--compile` for each runtime.
RUNTIMES: Final[Mapping[str, str]] = {NATIVE_RUNTIME: "never", COMPILED_RUNTIME: "require"}
MAX_SECONDS = 600  # for one command


class NotPublished(ServeError):
    """The message contains the last line of the command."""

    code = "NOT_PUBLISHED"


@dataclass(frozen=True)
class Store:
    """`url` is the value of STORAGE_EMULATOR_HOST. Each runtime of the model is published under its own name."""

    url: str
    model: str
    refused: dict[str, str] = field(default_factory=dict)
    """Why a runtime was not published."""

    @property
    def bucket(self) -> str:
        return f"gs://{BUCKET}"

    def name(self, runtime: str | None) -> str:
        """Raises NotPublished if the runtime was not published."""
        if runtime in self.refused:
            raise NotPublished(self.refused[runtime])
        return f"{self.model}-{runtime}"

    def uri(self, runtime: str) -> str:
        return f"{self.bucket}/models/{self.name(runtime)}@champion"

    @property
    def environ(self) -> dict[str, str]:
        found = {"STORAGE_EMULATOR_HOST": self.url, "GOOGLE_CLOUD_PROJECT": "benchmark", "NO_GCE_CHECK": "true"}
        return processes.with_sources(os.environ) | found


@contextmanager
def publish_model(
    model: Model, directory: Path, runtimes: Collection[str] = tuple(RUNTIMES), versions: Sequence[str] = VERSIONS
) -> Iterator[Store]:
    """A store with equal versions of each runtime; the alias names the last one."""
    with emulators.storage(directory) as url:
        make_bucket(url)
        store = Store(url, model.name)
        for runtime in runtimes:
            try:
                publish_runtime(store, model, runtime, versions)
            except NotPublished as error:
                store.refused[runtime] = str(error)
        yield store


def make_bucket(url: str) -> None:
    with ServiceClient(url, timeout=10) as client:
        client.post("/storage/v1/b?project=benchmark", json.dumps({"name": BUCKET}).encode()).raise_for_status()


def publish_runtime(store: Store, model: Model, runtime: str, versions: Sequence[str]) -> None:
    name, compile_ = store.name(runtime), RUNTIMES[runtime]
    arguments = [str(model.directory), "--name", name, "--store", store.bucket, "--alias", "champion"]
    for _ in versions:
        run_command(store, "publish", *arguments, "--compile", compile_)


def run_command(store: Store, *arguments: str) -> str:
    """Returns stdout. Raises NotPublished with the last line of stderr."""
    program = [str(Path(sys.executable).with_name("modelserve")), *arguments]
    try:
        done = subprocess.run(program, env=store.environ, timeout=MAX_SECONDS, capture_output=True, text=True)
    except subprocess.TimeoutExpired as error:
        raise NotPublished(f"Publication did not finish within {MAX_SECONDS} s.") from error
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
        raise NotPublished(f"Publication failed. {lines[-1]}")
    return done.stdout
