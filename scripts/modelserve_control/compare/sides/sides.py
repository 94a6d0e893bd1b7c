"""The two processes that score: started, asked in turn, ended."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Final

from modelserve.core.errors import BadSetting, ServeError
from modelserve_control.common import processes
from modelserve_control.common.errors import ValidationFailed
from modelserve_control.compare.sides.wire import Channel, Described, Failed, Job, Next, Scored
from modelserve_control.publish.validation import rebuild_error
from modelserve_control.registry.version_ref import model_uri, version_uri

# A model that is loaded here reports to nobody, and warns nobody.
QUIET: Final = {"PYTHONWARNINGS": "ignore", "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
# As long as a publisher waits for a model.
PATIENCE: Final = 600.0
SERVICES: Final = ("http://", "https://")


class Side:
    """`letter` is A or B, by which its errors name it."""

    def __init__(self, letter: str, process: subprocess.Popen[bytes]) -> None:
        self.letter = letter
        self.process = process
        self.channel = Channel(descriptor(process.stdout), descriptor(process.stdin), PATIENCE)

    def begin(self, job: Job) -> None:
        self.channel.send(job)

    def described(self) -> Described:
        found = self._received()
        if isinstance(found, Described):
            return found
        raise ValidationFailed(f"{self.letter} answered out of turn.")

    def next(self) -> Scored:
        """The next chunk. Raises ServeError when this side has none for it."""
        try:
            self.channel.send(Next())
        except OSError as error:
            raise self._ended() from error
        found = self._received()
        if isinstance(found, Scored):
            return found
        raise ValidationFailed(f"{self.letter} answered out of turn.")

    def _received(self) -> Described | Scored:
        try:
            found: Described | Scored | Failed = self.channel.receive(Described | Scored | Failed)
        except TimeoutError:
            raise ValidationFailed(f"{self.letter} did not answer within {PATIENCE:g} s.") from None
        except EOFError:
            raise self._ended() from None
        if isinstance(found, Failed):
            raise self._failed(found)
        return found

    def _failed(self, found: Failed) -> ServeError:
        return rebuild_error({**found.body, "message": f"{self.letter}: {found.body['message']}"})

    def _ended(self) -> ServeError:
        return ValidationFailed(f"The process that scored {self.letter} ended with exit code {self.process.wait()}.")


def job(name: str | None, subject: str, store: str | None) -> tuple[str, bool]:
    """The address of a subject, and whether it is a running service."""
    if subject.startswith(SERVICES):
        return subject, True
    if name is None or "/" in subject or "@" in subject:
        return model_uri(subject, store), False
    if store is None:
        raise BadSetting(f"{name} is a model of a store: say which with --store.")
    return version_uri(f"{name}/{subject}" if subject.isdigit() else f"{name}@{subject}", store), False


def descriptor(pipe: IO[bytes] | None) -> int:
    if pipe is None:
        raise ValueError("the process was started without this pipe")
    return pipe.fileno()


@contextmanager
def started(letter: str) -> Iterator[Side]:
    command = [*processes.launcher(), *processes.module("modelserve_control.compare.sides.worker")]
    environ = processes.with_sources(os.environ) | QUIET
    pipe = subprocess.PIPE
    # A session of its own: Ctrl-C of a terminal is for the command, which ends this process without a traceback.
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environ, start_new_session=True) as process:
        try:
            yield Side(letter, process)
        finally:
            process.terminate()
            try:
                process.wait(processes.GRACE)
            except subprocess.TimeoutExpired:
                process.kill()
