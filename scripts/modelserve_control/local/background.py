"""The stack that `local up --keep` leaves running: one per user.

It holds a file lock until it ends, so whether it runs is never guessed from a process id.
"""

import fcntl
import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any

from modelserve.core.errors import NotFound, ServeError
from modelserve_control.common import processes
from modelserve_control.common.processes import Child, ProcessFailed
from modelserve_control.common.services.polling import poll

START_SECONDS = 120.0  # two functions import in a few, on a busy machine in many
MAX_LINES = 50  # of each log
STOP_SECONDS = 3 * processes.GRACE  # functions, then Pub/Sub, then storage


class AlreadyRunning(ServeError):
    code = "ALREADY_RUNNING"
    status = HTTPStatus.CONFLICT


def directory() -> Path:
    path = Path(tempfile.gettempdir()) / f"modelserve-local-{os.getuid()}"
    path.mkdir(mode=0o700, exist_ok=True)
    if path.stat().st_uid != os.getuid():
        raise ServeError(f"{path} belongs to another user; remove it or set TMPDIR.")
    return path


def start(arguments: Sequence[str]) -> dict[str, Any]:
    """Run `modelserve local up --json` with `arguments` in the background and return the object that it prints.

    Raise `AlreadyRunning`, or `ProcessFailed` with its last lines.
    """
    lock = _try_lock()
    if lock is None:
        raise AlreadyRunning("A local stack is running already: stop it with `modelserve local down`.")
    command = processes.module("modelserve_control.local.local", "up", "--json", *arguments)
    log = directory() / "log"
    with os.fdopen(lock), log.open("wb") as output:
        # The lock belongs to the open file, so it stays locked when this process closes its descriptor.
        process = subprocess.Popen(
            command,
            env=processes.with_sources(os.environ),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=[lock],
        )
    child = Child("the local stack", process, log)
    pid = directory() / "pid"
    # A reader sees the whole number or no file.
    pid.with_suffix(".new").write_text(str(child.pid))
    pid.with_suffix(".new").replace(pid)
    try:
        # An error has several lines, so its first line alone is not JSON.
        child.wait_until(lambda: child.first_line().endswith("}"), START_SECONDS)
    except BaseException as error:
        processes.stop([child], STOP_SECONDS)
        pid.unlink(missing_ok=True)
        if isinstance(error, ProcessFailed):
            raise ProcessFailed(_error_message(log) or error.message) from None
        raise
    return dict(json.loads(child.first_line()))


def _error_message(log: Path) -> str | None:
    text = log.read_text(errors="replace")
    try:
        return str(json.loads(text[text.index("{\n") : text.rindex("}") + 1])["message"])
    except (ValueError, KeyError):
        return None


def status() -> dict[str, Any]:
    """`running`, and with it the addresses and names that `local up` printed."""
    lock = _try_lock()
    if lock is not None:
        os.close(lock)
        return {"running": False}
    with (directory() / "log").open() as log:
        first = log.readline()
    return {"running": True} | (json.loads(first) if first.endswith("}\n") else {})


def logs(process: str | None) -> str:
    """The last `MAX_LINES` lines of one process of the stack that runs, or of each under its name."""
    found = status()
    if "logs" not in found:
        raise NotFound("No local stack runs in the background; `modelserve local up --keep` starts one.")
    files = {path.stem: path for path in sorted(Path(found["logs"]).glob("*.log"))}
    if process is None:
        return "\n".join(f"==> {name} <==\n{_last_lines(path)}" for name, path in files.items())
    if process not in files:
        raise NotFound(f"The stack has no process {process}; it has {', '.join(files)}.")
    return _last_lines(files[process])


def _last_lines(path: Path) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-MAX_LINES:])


def stop() -> dict[str, Any]:
    """`stopped`: whether one was running. `log` is there when it had ended by itself.

    Returns when all its processes have ended.
    """
    pid, lock = directory() / "pid", _try_lock()
    if lock is not None:
        os.close(lock)
        ended = {"log": str(directory() / "log")} if pid.exists() else {}
        pid.unlink(missing_ok=True)
        return {"stopped": False} | ended
    try:
        with suppress(ProcessLookupError):
            os.kill(int(pid.read_text()), signal.SIGTERM)
    except (OSError, ValueError):
        raise ProcessFailed(f"A local stack is running, but {pid} does not say which process it is: end it.") from None
    for _ in poll(STOP_SECONDS, processes.POLL):
        if (lock := _try_lock()) is not None:
            os.close(lock)
            pid.unlink(missing_ok=True)
            return {"stopped": True}
    raise ProcessFailed(f"The local stack did not stop within {STOP_SECONDS:g} s; see {directory() / 'log'}.")


def _try_lock() -> int | None:
    lock = os.open(directory() / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock
