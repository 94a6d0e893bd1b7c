"""Start commands without their slow imports: a warm process, which has imported packages, forks for each.

The fork is a process of its own and a child of its starter, with the arguments, environment, directory and descriptors that
it was given. Where its path has another copy of the kit, it imports that. What it starts in turn is a fork as well, if it is
Python with a module. Only on Linux a grandchild can become a child of the starter; elsewhere every start is a cold one.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, ClassVar, Final

KIT: Final = ("modelserve", "modelserve_control")
# Of the kit there is nothing that is run itself, or that sets the environment as MLflow's settings do. Skops first: it looks
# for each of 400 functions in all modules that are imported before SciPy.
MODELS: Final = (
    "skops.io",
    "google.cloud.storage",
    "httpx",
    "mlflow.sklearn",
    "onnx",
    "pyarrow.parquet",
    "rich.progress",
    "modelserve.models.native.load",
    "modelserve_control.cli.main",
)
SERVERS: Final = (
    "skops.io",
    "functions_framework",
    "google.cloud.pubsub_v1",
    "gunicorn.app.base",
    "mlflow.sklearn",
    "uvicorn",
    "modelserve.events.app",
    "modelserve.http.app",
    "modelserve.models.active",
    "modelserve.models.native.load",
)
STORE: Final = ("google.cloud.storage", "httpx", "rich.progress", "yaml", "modelserve_control.cli.main")
CLOUD: Final = (
    "google.cloud.compute_v1",
    "google.cloud.pubsub_v1",
    "google.cloud.run_v2",
    "google_crc32c",
    "httpx",
    "msgspec",
    "numpy",
    "rich.progress",
    "modelserve_control.deploy.rollout.run",
)
# No import may start a thread, because a fork has only the thread that forks. Therefore onnxruntime is not in the lists.
SETTINGS: Final = {
    "OPENBLAS_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
}
MODELSERVE: Final = os.path.join(os.path.dirname(sys.executable), "modelserve")
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h
LONGEST: Final = 1 << 17  # bytes of a request, with its environment
WAIT_SECONDS: Final = 300.0  # for its imports on a busy machine


def prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, value)


# --- the starter ---


class Warm:
    """The process that forks, at the other end of `channel`."""

    def __init__(self, channel: socket.socket, process: subprocess.Popen[bytes] | None = None) -> None:
        self.process = process
        self.channel = channel
        self.channel.settimeout(WAIT_SECONDS)
        self.lock = threading.Lock()

    def fork(self, request: Mapping[str, Any], descriptors: Sequence[int]) -> int:
        """The id of the new process."""
        with self.lock:
            prctl(PR_SET_CHILD_SUBREAPER, 1)  # the process between it and the one that forks ends at once
            try:
                socket.send_fds(self.channel, [json.dumps(request).encode()], descriptors)
                return int(self.channel.recv(64))
            finally:
                prctl(PR_SET_CHILD_SUBREAPER, 0)


@cache
def warm(packages: tuple[str, ...]) -> Warm:
    """Started when it is first needed; it ends with this process."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")} | SETTINGS
    nowhere = subprocess.DEVNULL
    with theirs:
        command = [sys.executable, "-P", __file__, str(theirs.fileno()), *packages]
        process = subprocess.Popen(command, stdin=nowhere, stdout=nowhere, pass_fds=[theirs.fileno()], env=environ)
    return Warm(ours, process)


class Popen(subprocess.Popen[Any]):
    """A fork of `warm`, if it is to run `modelserve` or a module. `nested`: so is what it starts in turn."""

    warm: ClassVar[Warm]
    nested: ClassVar[bool]

    def _execute_child(self, args: Any, *given: Any) -> None:
        _, _, _, passed, directory, environ, _, _, shell, *more = given
        program = None if shell or passed or sys.platform != "linux" else python_program(args)
        if program is None:
            super()._execute_child(args, *given)  # type: ignore[misc]  # Popen's own, which its stubs leave out
            return
        pipes, session = more[:6], more[-2]
        environ = dict(os.environ if environ is None else environ)
        asked = program | {
            "session": session,
            "nested": self.nested,
            "directory": str(directory or os.getcwd()),
            "environ": environ,
        }
        ends = (pipes[0], pipes[3], pipes[5])
        self.pid = self.warm.fork(asked, [own if end == -1 else end for own, end in enumerate(ends)])
        self._child_created = True
        self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]  # as above


def python_program(args: Any) -> dict[str, Any] | None:
    """What to run, where `args` start the command or a module, as the kit starts one."""
    words = [str(args)] if isinstance(args, str | bytes | os.PathLike) else [*map(str, args)]
    starter = None
    if words[1:3] == ["-I", "-S"] and words[3].endswith("launcher.py"):
        starter, words = int(words[4]), words[5:]
    if words[0] == sys.executable and "-m" in words[1:3]:
        name, *arguments = words[words.index("-m") + 1 :]
        return {"module": name, "arguments": arguments, "safe": words[1] == "-P", "starter": starter}
    if words[0] == MODELSERVE:
        return {"script": words[0], "arguments": words[1:], "starter": starter}
    return None


@cache
def popen(warm: Warm, nested: bool = False) -> type[Popen]:
    """The class of what this warm process forks."""
    return type("Popen", (Popen,), {"warm": warm, "nested": nested})


# --- the process that forks ---


def serve(channel: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Returns only in a fork, with what it was asked for. The process itself ends when nobody can ask any more."""
    while True:
        message, descriptors, _, _ = socket.recv_fds(channel, LONGEST, 3)
        if not message:
            os._exit(0)
        if between := os.fork():
            os.waitpid(between, 0)
            for descriptor in descriptors:
                os.close(descriptor)
            continue
        between = os.getpid()
        if os.fork():
            os._exit(0)
        while os.getppid() == between:
            time.sleep(0.0005)
        channel.send(str(os.getpid()).encode())
        channel.close()
        return json.loads(message), descriptors


def become(asked: Mapping[str, Any], descriptors: Sequence[int]) -> None:
    """What a launcher, `exec` and a new interpreter do."""
    if asked["session"]:
        os.setsid()
    if asked["starter"]:
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != asked["starter"]:
            os._exit(1)
    for standard, descriptor in enumerate(descriptors):
        os.dup2(descriptor, standard)
    for descriptor in descriptors:
        os.close(descriptor)
    os.chdir(asked["directory"])
    os.environ.clear()
    os.environ.update(asked["environ"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))
    if os.environ.get("PYTHONWARNINGS") == "ignore":
        warnings.simplefilter("ignore")
    sys.path[:0] = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    importlib.import_module("numpy.random").seed()


def forget_other_kit() -> None:
    for package in KIT:
        loaded = sys.modules.get(package)
        first = next(filter(None, (finder.find_spec(package, None) for finder in sys.meta_path)))
        if loaded and first.origin != loaded.__file__:
            for name in [name for name in sys.modules if name.partition(".")[0] in KIT]:
                del sys.modules[name]


def run(asked: Mapping[str, Any]) -> int:
    """The exit code. What an interpreter does at its end is done, but for the modules, which take it a tenth of a second."""
    try:
        if "module" in asked:
            sys.argv = ["", *asked["arguments"]]
            if not asked["safe"]:
                sys.path.insert(0, os.getcwd())
            forget_other_kit()
            runpy.run_module(asked["module"], run_name="__main__", alter_sys=True)
        else:
            sys.argv = [asked["script"], *asked["arguments"]]
            sys.path.insert(0, os.path.dirname(MODELSERVE))
            forget_other_kit()
            runpy.run_path(asked["script"], run_name="__main__")
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]  # what the interpreter calls at its end
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    return code


def main(channel: socket.socket, packages: Sequence[str]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the starter
    gc.disable()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in packages:
            importlib.import_module(name)
    threads = os.listdir("/proc/self/task")
    assert len(threads) == 1, "a package started a thread, which no fork would have"
    gc.freeze()
    gc.enable()
    asked, descriptors = serve(channel)
    forking = 0
    while asked["nested"]:  # before it runs anything, it makes the one that will fork for it and ends with it
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        starter = os.getpid()
        if forking := os.fork():
            theirs.close()
            subprocess.Popen = popen(Warm(ours))  # type: ignore[misc]  # a class, replaced on purpose
            break
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != starter:
            os._exit(0)
        ours.close()
        for descriptor in descriptors:
            os.close(descriptor)
        asked, descriptors = serve(theirs)
    become(asked, descriptors)
    code = run(asked)
    if forking:
        os.kill(forking, signal.SIGKILL)
        os.waitpid(forking, 0)
    os._exit(code)


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])), sys.argv[2:])
