"""Validate a model in a separate process, because it may hang, crash or modify its process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from modelserve.core import errors
from modelserve.core.errors import ServeError
from modelserve_control.common import errors as refusals
from modelserve_control.common import processes
from modelserve_control.common.errors import ValidationFailed

# The default of LOAD_TIMEOUT_SECONDS.
TIMEOUT_SECONDS = 600.0
COMPILE_SECONDS = 300.0  # beside these; then `--compile auto` leaves the version native
STDERR = 2


@dataclass(frozen=True)
class ValidationResult:
    """The result of the child process. `signature` is that of the MLmodel; `sample`: at most five of the scored records."""

    signature: Mapping[str, Any]
    methods: Sequence[str]
    classes: Sequence[Any] | None
    environment: Mapping[str, Any]
    sample: Sequence[Mapping[str, Any]] = ()
    inferred: bool = False
    warnings: Sequence[str] = field(default=())
    runtime: Mapping[str, Any] = field(default_factory=lambda: {"kind": "native"})
    not_compiled: str | None = None
    """Why the version is native although a compiled form was requested."""


def validate(
    directory: Path,
    data: Path | None,
    trust: str,
    presentation: Mapping[str, Any],
    mode: str = "never",
    merge: str = "auto",
    python: Sequence[str] = (sys.executable,),
) -> ValidationResult:
    """Load the model and score its sample. May write an inferred signature and a compiled form into the directory.
    `python` starts the interpreter that does it.

    Raises the errors of the server's checks, or ValidationFailed if the child process dies or is too slow.
    """
    words = [str(directory), "--trust", trust, "--compile", mode, "--merge", merge]
    words += ["--data", str(data)] if data else []
    seconds = TIMEOUT_SECONDS + (0.0 if mode == "never" else COMPILE_SECONDS)
    validated = ValidationResult(**ask("modelserve_control.publish.validate", words, seconds, python))
    check_presentation(validated, presentation)
    return validated


def ask(module: str, words: Sequence[str], seconds: float, python: Sequence[str]) -> dict[str, Any]:
    """What a child process writes to the file ANSWER, its first argument. Raises its ServeError, or ValidationFailed."""
    with TemporaryDirectory(prefix="modelserve-") as scratch:
        answer = Path(scratch) / "answer.json"
        code = run(processes.module(module, str(answer), *words, python=python), seconds)
        if not answer.is_file():
            raise ValidationFailed(
                f"The process that loaded the model ended with exit code {code} and without a result."
            )
        found: dict[str, Any] = json.loads(answer.read_text())
    if "error_code" in found:
        raise rebuild_error(found)
    return found


def run(words: Sequence[str], seconds: float) -> int:
    """Output of the model goes to stderr, because stdout is for the result of the command."""
    try:
        environment = os.environ | {"PYTHONWARNINGS": "ignore"}
        command = [*processes.launcher(), *words]
        done = subprocess.run(command, stdout=STDERR, timeout=seconds, env=environment, check=False)
    except subprocess.TimeoutExpired:
        raise ValidationFailed(f"The model did not load and score its sample within {seconds:g} s.") from None
    return done.returncode


def rebuild_error(found: Mapping[str, Any]) -> ServeError:
    """The error of the child process, as the same class."""
    classes = [value for module in (errors, refusals) for value in vars(module).values() if isinstance(value, type)]
    kinds = {
        kind.code: kind for kind in classes if issubclass(kind, ServeError) and kind.__init__ is ServeError.__init__
    }
    return kinds.get(found["error_code"], ValidationFailed)(found["message"], found["details"])


def check_presentation(validated: ValidationResult, presentation: Mapping[str, Any]) -> None:
    positive = presentation.get("positive_class")
    if positive is None:
        return
    names = [str(label).lower() if isinstance(label, bool) else str(label) for label in validated.classes or ()]
    if positive not in names:
        has = f"its classes are {', '.join(names[:20])}" if names else "it is not a classifier with classes"
        raise ValidationFailed(f"--positive-class names a class that the model does not have; {has}.")
