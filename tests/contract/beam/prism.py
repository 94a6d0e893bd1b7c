"""Beam's portable runner, and the entry point of its containers for Python: both are programs of Beam's Go module."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import pytest

from modelserve_control.common import processes

REQUIREMENTS: Final = processes.SOURCES / "kubernetes" / "requirements-beam.txt"
DIRECTORY: Final = processes.SOURCES / ".cache" / "prism"
PRISM: Final = DIRECTORY / "prism"
ENTRY: Final = DIRECTORY / "container"


def skip_without_prism() -> None:
    """`.ci/run` builds both, in three minutes."""
    if not (PRISM.is_file() and ENTRY.is_file()):
        beam = "github.com/apache/beam/sdks/v2"
        programs = " ".join(f"{beam}/{name}@v{beam_version()}" for name in ("go/cmd/prism", "python/container"))
        pytest.skip(f"there is no Prism: GOBIN={DIRECTORY} go install {programs}")


def beam_version() -> str:
    lines = REQUIREMENTS.read_text().splitlines()
    return next(line for line in lines if line.startswith("apache-beam==")).split()[0].partition("==")[2]


def worker_options(
    start: Sequence[str], directory: Path, environment: Mapping[str, str], kept: str | None = None
) -> list[str]:
    """The worker is a process, started by `start` as a container is. It keeps its files in `kept`, by default `directory`."""
    command = directory / "boot"
    # Prism quotes the id as for a shell, and starts the command without one.
    unquote = """id=${1#--id=\\'}; id=${id%\\'}; shift"""
    begin = f'cd "{directory}" && exec {shlex.join(start)} --id="$id" --semi_persist_dir="{kept or directory}" "$@"'
    command.write_text(f"#!/bin/sh\n{unquote}\n{begin}\n")
    command.chmod(0o755)
    return [
        f"prism_location={PRISM}",
        "environment_type=PROCESS",
        f"environment_config={json.dumps({'command': str(command), 'env': dict(environment)})}",
        "sdk_location=container",
    ]
