"""The processes that score: one for each side."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Final, TypeVar

from modelserve.core.errors import BadSetting, ServeError
from modelserve_control.common import processes
from modelserve_control.common.errors import ValidationFailed
from modelserve_control.common.progress import Progress
from modelserve_control.compare.sides.wire import Channel, Description, Failure, Message, NextChunk, ScoredChunk
from modelserve_control.publish.validation import rebuild_error
from modelserve_control.registry.version_ref import model_uri, version_uri

QUIET: Final = {"PYTHONWARNINGS": "ignore", "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
TIMEOUT_SECONDS: Final = 600.0  # as publishing waits for a model
SERVICES: Final = ("http://", "https://")

T = TypeVar("T", bound=Message)


class Side:
    """`letter` is A or B; its errors begin with it."""

    def __init__(self, letter: str, process: subprocess.Popen[bytes]) -> None:
        self.letter = letter
        self.process = process
        self.channel = Channel(descriptor(process.stdout), descriptor(process.stdin), TIMEOUT_SECONDS)

    def receive_description(self) -> Description:
        return self._receive(Description)

    def score_next(self) -> ScoredChunk:
        try:
            self.channel.send(NextChunk())
        except OSError as error:
            raise self._ended_error() from error
        return self._receive(ScoredChunk)

    def _receive(self, kind: type[T]) -> T:
        try:
            found: T | Failure = self.channel.receive(kind | Failure)
        except TimeoutError:
            raise ValidationFailed(f"{self.letter} did not answer within {TIMEOUT_SECONDS:g} s.") from None
        except EOFError:
            raise self._ended_error() from None
        if isinstance(found, Failure):
            raise rebuild_error({**found.body, "message": f"{self.letter}: {found.body['message']}"})
        return found

    def _ended_error(self) -> ServeError:
        return ValidationFailed(f"The process that scored {self.letter} ended with exit code {self.process.wait()}.")


def resolve_subject(
    name: str | None, subject: str, store: str | None, progress: Progress | None = None
) -> tuple[str, bool]:
    if subject.startswith(SERVICES):
        return subject, True
    if name is None or "/" in subject or "@" in subject:
        return model_uri(subject, store, progress), False
    if store is None:
        raise BadSetting(f"{name} is a model of a store: name the store with --store.")
    return version_uri(f"{name}/{subject}" if subject.isdigit() else f"{name}@{subject}", store), False


def descriptor(pipe: IO[bytes] | None) -> int:
    if pipe is None:
        raise ValueError("the process was started without this pipe")
    return pipe.fileno()


@contextmanager
def start_side(letter: str) -> Iterator[Side]:
    command = [*processes.launcher(), *processes.module("modelserve_control.compare.sides.worker")]
    environ = processes.with_sources(os.environ) | QUIET
    pipe = subprocess.PIPE
    # In a session of its own: Ctrl-C of a terminal reaches only the command, which ends this process without a traceback.
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environ, start_new_session=True) as process:
        try:
            yield Side(letter, process)
        finally:
            process.terminate()
            try:
                process.wait(processes.GRACE)
            except subprocess.TimeoutExpired:
                process.kill()
