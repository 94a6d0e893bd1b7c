"""The table of measured servers. A new server is one entry, and a requirements file if it needs its own packages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.servers.protocols import HELLO, MLFLOW, MODEL_NAME, ROWS, V2, Protocol
from benchmarks.servers.storage import COMPILED_RUNTIME, NATIVE_RUNTIME

PEERS = Path(__file__).parents[1] / "peers"


@dataclass(frozen=True)
class Server:
    """`command` and `settings` are templates with {python}, {bin}, {port}, {model}, {storage}, {peers}, {functions},
    {scratch}, {port2} and {port3}, and with {uri} if there is a `runtime`."""

    name: str
    title: str
    protocol: Protocol
    command: tuple[str, ...]
    settings: Mapping[str, str] = field(default_factory=dict)
    peer: str | None = None
    """The directory in peers/ that pins the packages of its environment. None: the environment of this repository."""
    batching: bool = False
    """Whether it merges concurrent requests."""
    runtime: str | None = None
    """One of `storage.RUNTIMES`: the server watches the alias of this published model. None: it loads the MLflow directory."""

    @property
    def version(self) -> str:
        """The pinned version of the package with the name of the peer."""
        if self.peer is None:
            return ""
        text = (PEERS / self.peer / "requirements.txt").read_text()
        found = re.search(rf"^{self.peer}==(\S+)", text, re.MULTILINE)
        return found[1] if found else ""


FRAMEWORK = ("{python}", "-m", "functions_framework", "--target", "predict", "--source")
ADDRESS = {"HOST": "127.0.0.1", "PORT": "{port}"}
ASGI = ADDRESS | {"FUNCTION_USE_ASGI": "true"}
# No telemetry, and no search for a metadata server.
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "NO_GCE_CHECK": "true"}
STORE = {"MODEL_URI": "{uri}", "STORAGE_EMULATOR_HOST": "{storage}", "GOOGLE_CLOUD_PROJECT": "benchmark"}
MODEL = {"MODEL": "{model}"}
# Inference in the server process, because a pool of workers is no faster on one processor.
MLSERVER = {
    "MLSERVER_HOST": "127.0.0.1",
    "MLSERVER_HTTP_PORT": "{port}",
    "MLSERVER_GRPC_PORT": "{port2}",
    "MLSERVER_METRICS_PORT": "{port3}",
    "MLSERVER_PARALLEL_WORKERS": "0",
    "MLSERVER_MODEL_NAME": MODEL_NAME,
    "MLSERVER_MODEL_IMPLEMENTATION": "mlserver_mlflow.MLflowRuntime",
    "MLSERVER_MODEL_URI": "{model}",
}

LIMIT, NAIVE, NATIVE, COMPILED = "hello-asgi", "naive", "native", "compiled"

OWN = (
    Server(LIMIT, "limit: hello world, ASGI", HELLO, (*FRAMEWORK, "{peers}/hello/main.py"), ASGI),
    Server("hello-wsgi", "hello world, WSGI", HELLO, (*FRAMEWORK, "{peers}/hello_wsgi/main.py"), ADDRESS),
    Server(NAIVE, "functions-framework + pyfunc, as in the tutorials", MLFLOW, (*FRAMEWORK, "{peers}/naive/main.py"), ADDRESS | MODEL),
    Server(NATIVE, "modelserve, native", MLFLOW, (*FRAMEWORK, "{functions}/main.py"), ASGI | STORE, batching=True, runtime=NATIVE_RUNTIME),
    Server(COMPILED, "modelserve, compiled", MLFLOW, (*FRAMEWORK, "{functions}/main.py"), ASGI | STORE, batching=True, runtime=COMPILED_RUNTIME),
)  # fmt: skip

# A worker without a model, which shows the cost of the Pub/Sub clients.
RELAY = Server(
    "relay", "limit: pull, publish and ack without scoring", MLFLOW, ("{python}", "{peers}/relay/main.py"),
    ADDRESS | {"PYTHONPATH": "{functions}"},
)  # fmt: skip

# Only for the wire forms.
READING = Server(
    "hello-reading", "hello world that reads the body", HELLO, (*FRAMEWORK, "{peers}/hello_decode/main.py"), ASGI
)

PEER_SERVERS = (
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


def select_servers(peers: str) -> tuple[Server, ...]:
    """Our own servers and the requested peers: `none`, `all`, or names separated by commas. Raises ValueError."""
    if peers in ("none", "all"):
        return OWN + (PEER_SERVERS if peers == "all" else ())
    names = peers.split(",")
    unknown = sorted(set(names) - {server.name for server in PEER_SERVERS})
    if unknown:
        known = ", ".join(server.name for server in PEER_SERVERS)
        raise ValueError(f"unknown peer: {', '.join(unknown)}; choose from {known}")
    return OWN + tuple(server for server in PEER_SERVERS if server.name in names)
