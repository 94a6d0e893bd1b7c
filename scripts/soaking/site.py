"""The servers of a soak on 127.0.0.1: the HTTP function in both hosts, the event function, Pub/Sub, and a store with faults."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from modelserve.core.errors import ServeError
from modelserve_control.common import processes
from modelserve_control.common.processes import SOURCES, Child
from modelserve_control.local import emulators, resources
from modelserve_control.local.resources import Names
from soaking.faults import run_faulty_proxy
from soaking.models import COMPILE_OPTIONS, NAME

INHERITED: Final = ("PATH", "HOME", "LANG", "TMPDIR")
MAX_SECONDS: Final = 300  # for one command
FEATURES, ID = "features", "id"
"""The fields of an event that contain the record and its id."""
SETTINGS: Final = {
    "MODEL_REFRESH_SECONDS": "0.5",
    "CLIENT_TIMEOUT_SECONDS": "2",
    "PREDICT_TIMEOUT_SECONDS": "60",
    "PUBLISH_TIMEOUT_SECONDS": "60",
    "LOG_LEVEL": "WARNING",
    "EVENT_FEATURES_FIELD": FEATURES,
    "EVENT_ID_FIELD": ID,
    "HOST": "127.0.0.1",
    "NO_GCE_CHECK": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


class SoakSetupError(ServeError):
    """The message contains the last line of the command that failed."""

    code = "SOAK_SETUP"


@dataclass(frozen=True)
class Service:
    port: int
    child: Child


@dataclass(frozen=True)
class Site:
    http: Mapping[str, Service]
    """By name."""
    events: Service
    names: Names
    pubsub: str
    store: str
    storage: str
    faults: Counter[str]
    """Answers of the store by kind of fault."""

    @property
    def roots(self) -> dict[str, int]:
        return {name: service.child.pid for name, service in [*self.http.items(), ("event function", self.events)]}


@contextmanager
def run_site(directory: Path) -> Iterator[Site]:
    """Raises SoakSetupError."""
    names = Names("soak", "soak")
    faults: Counter[str] = Counter()
    with ExitStack() as exit:
        storage = exit.enter_context(emulators.storage(directory))
        pubsub = exit.enter_context(emulators.pubsub(directory))
        resources.make_bucket(storage, names)
        resources.make_topics(pubsub, names)
        publish(directory, storage, names)
        environ = SETTINGS | {
            "STORAGE_EMULATOR_HOST": exit.enter_context(run_faulty_proxy(storage, faults)),
            "PUBSUB_EMULATOR_HOST": pubsub,
            "GOOGLE_CLOUD_PROJECT": names.project,
            "MODEL_URI": f"gs://{names.bucket}/models/{NAME}@champion",
            "PREDICTIONS_TOPIC": names.predictions,
            "DEAD_LETTER_TOPIC": names.dead_letter,
        }
        container = exit.enter_context(run_service(directory, "container", ["modelserve", "http"], environ))
        framework = exit.enter_context(
            run_service(directory, "http function", ["functions_framework"], environ | function_settings("predict"))
        )
        events = exit.enter_context(
            run_service(
                directory, "event function", ["functions_framework"], environ | function_settings("predict_event")
            )
        )
        http = {"container": container, "http function": framework}
        yield Site(http, events, names, pubsub, f"gs://{names.bucket}", storage, faults)


def function_settings(target: str) -> dict[str, str]:
    source = str(SOURCES / "functions" / "main.py")
    return {"FUNCTION_TARGET": target, "FUNCTION_SOURCE": source, "FUNCTION_USE_ASGI": "true"}


@contextmanager
def run_service(directory: Path, name: str, module: list[str], environ: Mapping[str, str]) -> Iterator[Service]:
    port = processes.free_port()
    kept = {key: os.environ[key] for key in INHERITED if key in os.environ}
    ready = processes.http_probe(f"http://127.0.0.1:{port}/health/ready")
    own = {"PORT": str(port), "PYTHONPATH": str(SOURCES / "functions")}
    command = [sys.executable, "-m", *module]
    log = directory / f"{name.replace(' ', '-')}.log"
    with processes.run_child(name, command, log, ready, {**kept, **environ, **own}) as child:
        yield Service(port, child)


def publish(directory: Path, storage: str, names: Names) -> None:
    """Publish both versions with the `modelserve` command."""
    environ = processes.with_sources(os.environ) | SETTINGS | {"STORAGE_EMULATOR_HOST": storage}
    run([sys.executable, "-m", "soaking.models", str(directory / "models")], environ)
    program = str(Path(sys.executable).with_name("modelserve"))
    for version, option in COMPILE_OPTIONS.items():
        options = ["--name", NAME, "--store", f"gs://{names.bucket}", "--alias", "champion", "--compile", option]
        run([program, "publish", str(directory / "models" / version), *options], environ)


def run(command: list[str], environ: Mapping[str, str]) -> None:
    done = subprocess.run(command, env=environ, timeout=MAX_SECONDS, capture_output=True, text=True)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
        raise SoakSetupError(f"The models were not published. {lines[-1]}")
