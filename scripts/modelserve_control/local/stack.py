"""The whole kit on one machine: storage, Pub/Sub, both functions and the container's entry points, one process each."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from modelserve_control.common import processes
from modelserve_control.common.processes import Child
from modelserve_control.local import emulators, resources
from modelserve_control.local.resources import Delivery, Names

WATCH_SECONDS = 0.5
# A promotion is to be served at once, and reading the local storage costs nothing.
REFRESH = {"MODEL_REFRESH_SECONDS": "1"}
FUNCTIONS = processes.SOURCES / "functions"

# Each entry point of the container serves the model of the function that it replaces.
CONTAINER = {"http": "predict", "events": "predict_event", "worker": "predict_event"}
PUBLISHERS = ("predict_event", "events", "worker")
PREDICTION_LOG = "prediction-log"  # its directory, beside the logs of the processes
TOPICS = ("events", "predictions", "dead_letter", "shadow", "log")
SUBSCRIPTIONS = ("events_push", "events_pull", "predictions_pull", "dead_letter_pull", "shadow_release", "log_pull")


@dataclass(frozen=True)
class Function:
    model_uri: str
    environ: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Options:
    """A function that is None is not started. `pubsub` is `embedded` or `official`. `gke` also starts the container's entry
    points.

    A server that `environ` names in STORAGE_EMULATOR_HOST or PUBSUB_EMULATOR_HOST is used, and none is started.
    """

    predict: Function | None = None
    predict_event: Function | None = None
    gke: bool = False
    pubsub: str = "embedded"
    project: str = "modelserve-local"
    bucket: str = "modelserve-local"
    delivery: Delivery = field(default_factory=Delivery)
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))


@dataclass(frozen=True)
class Addresses:
    storage: str
    pubsub: str
    project: str
    bucket: str
    predict: str | None
    predict_event: str | None
    http: str | None
    events: str | None
    worker: str | None
    topics: Mapping[str, str]
    subscriptions: Mapping[str, str]
    logs: str
    prediction_log: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class Stack:
    """A context manager. Enter it on a thread that lives until it is left, see `processes.start`.

    Entering returns when every process answers: functions on GET /health/live, with or without an active model.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self.names = Names(options.project, options.bucket)
        self.storage = ""
        self.pubsub = ""
        self._functions: dict[str, Child] = {}
        self._urls: dict[str, str] = {}
        self._exit = ExitStack()

    def __enter__(self) -> Stack:
        with ExitStack() as entered:
            self.directory = Path(entered.enter_context(tempfile.TemporaryDirectory(prefix="modelserve-")))
            given = self.options.environ
            pubsub = emulators.official_pubsub if self.options.pubsub == "official" else emulators.pubsub
            self.storage = given.get("STORAGE_EMULATOR_HOST") or entered.enter_context(
                emulators.storage(self.directory)
            )
            self.pubsub = given.get("PUBSUB_EMULATOR_HOST") or entered.enter_context(pubsub(self.directory))
            resources.make_bucket(self.storage, self.names)
            resources.make_topics(self.pubsub, self.names)
            # Before Pub/Sub and storage, to which they still write.
            entered.callback(lambda: processes.stop(self._functions.values()))
            self._keep_log()
            self._start_functions()
            self._exit = entered.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._exit.close()

    @property
    def client_environ(self) -> dict[str, str]:
        return {
            "STORAGE_EMULATOR_HOST": self.storage,
            "PUBSUB_EMULATOR_HOST": self.pubsub,
            "GOOGLE_CLOUD_PROJECT": self.names.project,
            # Without credentials Google's clients would ask for the metadata server of Google's machines.
            "NO_GCE_CHECK": "true",
            **processes.without_proxy(self.options.environ),
        }

    @property
    def addresses(self) -> Addresses:
        names = self.names
        return Addresses(
            storage=self.storage,
            pubsub=self.pubsub,
            project=names.project,
            bucket=names.bucket,
            **{target: self._urls.get(target) for target in ("predict", "predict_event", *CONTAINER)},
            topics={name: getattr(names, name) for name in TOPICS},
            subscriptions={name: getattr(names, name) for name in SUBSCRIPTIONS},
            logs=str(self.directory),
            prediction_log=str(self.directory / PREDICTION_LOG),
        )

    def function(self, target: str) -> Child:
        return self._functions[target]

    def wait_until_active(self, target: str, seconds: float = 120.0) -> None:
        self.function(target).wait_until(processes.http_probe(f"{self._urls[target]}/health/ready"), seconds)

    def watch(self) -> NoReturn:
        while True:
            for child in self._functions.values():
                child.check()
            time.sleep(WATCH_SECONDS)

    # --- starting ---

    def _start_functions(self) -> None:
        """In parallel: most of a start is imports."""
        wanted = {"predict": self.options.predict, "predict_event": self.options.predict_event}
        if self.options.gke:
            wanted |= {kind: wanted[target] for kind, target in CONTAINER.items()}
        functions = {target: function for target, function in wanted.items() if function}
        if "worker" in functions:
            resources.make_pull(self.pubsub, self.names, self.options.delivery)
        for target, function in functions.items():
            self._launch(target, function)
        for target in functions:
            self._functions[target].wait_until(processes.http_probe(f"{self._urls[target]}/health/live"))
        if "predict_event" in functions:
            resources.make_push(self.pubsub, self.names, self._urls["predict_event"] + "/", self.options.delivery)

    def _keep_log(self) -> None:
        """Stopped with the functions; what it has not written by then stays in the subscription."""
        words = (self.pubsub, self.names.log_pull, str(self.directory / PREDICTION_LOG))
        command = processes.module("modelserve_control.local.log_files", *words)
        environ = processes.with_sources({**self.options.environ, **self.client_environ})
        self._functions["prediction_log"] = processes.start(
            "prediction_log", command, self.directory / "prediction_log.log", environ
        )

    def _launch(self, target: str, function: Function) -> None:
        port = processes.free_port()
        self._urls[target] = f"http://127.0.0.1:{port}"
        if target in CONTAINER:
            command = processes.module("modelserve", target)
            settings = {"PYTHONPATH": str(FUNCTIONS), "SUBSCRIPTION": self.names.events_pull, "METRICS": "true"}
        else:
            command = processes.module("functions_framework")
            settings = {
                "FUNCTION_TARGET": target,
                "FUNCTION_SOURCE": str(FUNCTIONS / "main.py"),
                "FUNCTION_USE_ASGI": "true",
            }
        environ = {
            **REFRESH,
            "SHADOW_TOPIC": self.names.shadow,
            "LOAD_BEFORE_LISTEN": "false",  # the stack is up with or without an active model
            "LOG_TOPIC": self.names.log,
            **self.options.environ,
            **self.client_environ,
            **settings,
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "MODEL_URI": function.model_uri,
            **function.environ,
        }
        if target in PUBLISHERS:
            topics = {"PREDICTIONS_TOPIC": self.names.predictions, "DEAD_LETTER_TOPIC": self.names.dead_letter}
            environ = {**topics, **environ}
        self._functions[target] = processes.start(target, command, self.directory / f"{target}.log", environ)
