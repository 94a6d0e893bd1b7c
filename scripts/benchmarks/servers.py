"""Who is measured: one row a server. A new server is a row, and a requirements file where it needs packages of its own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.protocols import HELLO, MLFLOW, ROWS, SERVED, V2, Protocol
from benchmarks.storage import COMPILED_FORM, NATIVE_FORM

PEERS = Path(__file__).with_name("peers")


@dataclass(frozen=True)
class Server:
    """`command` and `settings` are texts with {python}, {bin}, {port}, {model}, {storage}, {peers}, {functions},
    {scratch} and {port2}, {port3}, and with {uri} where there is a `form`."""

    name: str
    title: str
    protocol: Protocol
    command: tuple[str, ...]
    settings: Mapping[str, str] = field(default_factory=dict)
    peer: str | None = None
    """Its directory below peers/ with the pinned packages of its environment. None: this repository's own."""
    batching: bool = False
    """Whether it merges concurrent requests."""
    form: str | None = None
    """Of `storage.FORMS`, the published one that it starts from and watches. None: it loads the MLflow directory."""

    @property
    def version(self) -> str:
        """What its environment pins for the package that it is named after."""
        if self.peer is None:
            return ""
        text = (PEERS / self.peer / "requirements.txt").read_text()
        found = re.search(rf"^{self.peer}==(\S+)", text, re.MULTILINE)
        return found[1] if found else ""


FRAMEWORK = ("{python}", "-m", "functions_framework", "--target", "predict", "--source")
ADDRESS = {"HOST": "127.0.0.1", "PORT": "{port}"}
ASGI = ADDRESS | {"FUNCTION_USE_ASGI": "true"}
# Nobody is told about a benchmark, and no server waits for an answer from somebody it cannot reach.
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "NO_GCE_CHECK": "true"}
STORE = {"MODEL_URI": "{uri}", "STORAGE_EMULATOR_HOST": "{storage}", "GOOGLE_CLOUD_PROJECT": "benchmark"}
MODEL = {"MODEL": "{model}"}
# Its inference in its own process: a pool of workers has nothing to gain on one processor.
MLSERVER = {
    "MLSERVER_HOST": "127.0.0.1",
    "MLSERVER_HTTP_PORT": "{port}",
    "MLSERVER_GRPC_PORT": "{port2}",
    "MLSERVER_METRICS_PORT": "{port3}",
    "MLSERVER_PARALLEL_WORKERS": "0",
    "MLSERVER_MODEL_NAME": SERVED,
    "MLSERVER_MODEL_IMPLEMENTATION": "mlserver_mlflow.MLflowRuntime",
    "MLSERVER_MODEL_URI": "{model}",
}

LIMIT, NAIVE, NATIVE, COMPILED = "hello-asgi", "naive", "native", "compiled"

OWN = (
    Server(LIMIT, "limit: hello world, ASGI", HELLO, (*FRAMEWORK, "{peers}/hello/main.py"), ASGI),
    Server("hello-wsgi", "hello world, WSGI", HELLO, (*FRAMEWORK, "{peers}/hello_wsgi/main.py"), ADDRESS),
    Server(NAIVE, "functions-framework + pyfunc, as in the tutorials", MLFLOW, (*FRAMEWORK, "{peers}/naive/main.py"), ADDRESS | MODEL),
    Server(NATIVE, "modelserve, native", MLFLOW, (*FRAMEWORK, "{functions}/main.py"), ASGI | STORE, batching=True, form=NATIVE_FORM),
    Server(COMPILED, "modelserve, compiled", MLFLOW, (*FRAMEWORK, "{functions}/main.py"), ASGI | STORE, batching=True, form=COMPILED_FORM),
)  # fmt: skip

# Beside the worker only: what its clients cost without anything between them.
PASSING = Server(
    "passing", "limit: pulled, published and acked alone", MLFLOW, ("{python}", "{peers}/passing/main.py"),
    ADDRESS | {"PYTHONPATH": "{functions}"},
)  # fmt: skip

OTHERS = (
    Server(
        "mlflow", "mlflow models serve", MLFLOW, peer="mlflow",
        command=("{bin}/mlflow", "models", "serve", "-m", "{model}", "-h", "127.0.0.1", "-p", "{port}", "--env-manager", "local"),
    ),
    Server(
        "mlserver", "MLServer", MLFLOW, peer="mlserver",
        command=("{bin}/mlserver", "start", "{scratch}"),
        settings=MLSERVER,
    ),
    Server(
        "mlserver-v2", "MLServer, V2, adaptive batching", V2, peer="mlserver", batching=True,
        command=("{bin}/mlserver", "start", "{scratch}"),
        settings=MLSERVER | {"MLSERVER_MODEL_MAX_BATCH_SIZE": "100", "MLSERVER_MODEL_MAX_BATCH_TIME": "0.005"},
    ),
    Server(
        "bentoml", "BentoML, adaptive batching", ROWS, peer="bentoml", batching=True,
        command=("{bin}/bentoml", "serve", "service:Scorer", "--working-dir", "{peers}/bentoml", "--host", "127.0.0.1", "--port", "{port}"),
        settings=MODEL | {"BENTOML_DO_NOT_TRACK": "True", "BENTOML_HOME": "{scratch}"},
    ),
    Server(
        "litserve", "LitServe, batching", MLFLOW, peer="litserve", batching=True,
        command=("{python}", "{peers}/litserve/server.py", "{port}"), settings=MODEL,
    ),
    Server(
        "flask", "Flask + gunicorn, 8 threads", MLFLOW, peer="flask", settings=MODEL,
        command=("{bin}/gunicorn", "--chdir", "{peers}/flask", "--bind", "127.0.0.1:{port}", "--threads", "8", "app:app"),
    ),
)  # fmt: skip


def chosen(peers: str) -> tuple[Server, ...]:
    """Our own and the peers asked for: `none`, `all`, or names with commas. Raises ValueError naming those there are."""
    if peers in ("none", "all"):
        return OWN + (OTHERS if peers == "all" else ())
    names = peers.split(",")
    unknown = sorted(set(names) - {server.name for server in OTHERS})
    if unknown:
        raise ValueError(f"no such peer: {', '.join(unknown)}; there are {', '.join(server.name for server in OTHERS)}")
    return OWN + tuple(server for server in OTHERS if server.name in names)
