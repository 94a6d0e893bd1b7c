"""`modelserve serve`: one model on this machine, in the process that a container runs."""

from __future__ import annotations

import json
import os
import shlex
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import click

from modelserve.core.errors import ServeError, VersionUnusable
from modelserve_control.common import options, processes
from modelserve_control.common.output import exit_on_signals, refuse
from modelserve_control.common.processes import Child
from modelserve_control.common.progress import progress
from modelserve_control.registry import version_ref

HOST: Final = "127.0.0.1"
START_SECONDS: Final = 660.0  # LOAD_TIMEOUT_SECONDS, and what the process takes before and after it


@click.command()
@click.argument("model")
@options.store(", that holds the versions of NAME", required=False)
@click.option("--port", type=click.IntRange(0, 65_535), default=8080, help="The port on 127.0.0.1; 0 takes a free one.")
@click.option("--event", is_flag=True, help="The event function, in a dry run: it answers what it would publish.")
@options.trust
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document, also when refused.")
def serve(model: str, store: str | None, port: int, event: bool, trust: str, as_json: bool) -> None:
    """Serve MODEL on this machine, until Ctrl-C.

    MODEL is NAME[@ALIAS|/VERSION] of the store (NAME alone: its champion), a directory with an MLmodel, gs://..., or an
    address of MLflow: models:/..., runs:/.... The code is that of the functions, and so are its settings, which are
    environment variables: docs/settings.md.
    """
    exit_on_signals()
    try:
        with TemporaryDirectory(prefix="modelserve-serve-") as scratch, start(model, store, port, event, trust, Path(scratch)) as (server, answer):  # fmt: skip
            click.echo(json.dumps(answer) if as_json else format_answer(answer))
            while not server.wait(3_600):
                pass
            server.check()
    except ServeError as error:
        refuse(error, as_json)


@contextmanager
def start(
    model: str, store: str | None, port: int, event: bool, trust: str, scratch: Path
) -> Iterator[tuple[Child, Mapping[str, Any]]]:
    """The process, and what to tell of it. Raises ServeError, with the reason of a version that is not activated."""
    functions = processes.checkout() / "functions"
    port = processes.check_port(HOST, port) if port else processes.free_port()
    uri = model_uri(model, store, scratch)
    settings = {
        "MODEL_URI": uri,
        "MODEL_TRUST": trust,
        "HOST": HOST,
        "PORT": str(port),
        "LOAD_BEFORE_LISTEN": "true",
        "DRAIN_SECONDS": "0",
        **({"DRY_RUN": "true"} if event else {}),
        **({"MODEL_NAME": mlflow_name(model)} if model.startswith(version_ref.MLFLOW_SCHEMES) else {}),
    }
    command = processes.module("modelserve", "events" if event else "http")
    environ = processes.with_sources(os.environ) | settings
    environ["PYTHONPATH"] = f"{functions}{os.pathsep}{environ['PYTHONPATH']}"
    log = scratch / "log"
    server = processes.start("the server", command, log, environ)
    url = f"http://{HOST}:{port}"
    try:
        server.wait_until(processes.port_probe(f"{HOST}:{port}"), START_SECONDS)
        found = ask(url, "/health/ready")
        del found["document"]
        row = event_row(uri, trust) if event else http_row(url)
        path, body = ("/", envelope(row)) if event else ("/predict", row)
        curl = f"curl -s {url}{path} -H 'Content-Type: application/json' -d {shlex.quote(json.dumps(body))}"
        page = {} if event else {"page": f"{url}/docs"}
        yield server, {**found, "url": url, "curl": curl, **page, "log": str(log)}
    finally:
        processes.stop([server])


def model_uri(model: str, store: str | None, scratch: Path) -> str:
    if not model.startswith(version_ref.MLFLOW_SCHEMES):
        return version_ref.model_uri(model, store, progress())
    from modelserve_control.publish.source import fetch

    return str(fetch(model, scratch).directory)


def mlflow_name(model: str) -> str:
    """The name of a registered model; of a run the last part of the model's path."""
    scheme, _, rest = model.partition(":/")
    parts = rest.strip("/").split("/")
    return (parts[0] if scheme == "models" else parts[-1]).partition("@")[0]


def ask(url: str, path: str) -> dict[str, Any]:
    """The model that answers. Raises VersionUnusable with the reason why none does."""
    from modelserve_control.common.services.client import ServiceClient, decode, model_of  # httpx takes 0.1 s to import

    with ServiceClient(url) as client:
        answer = client.get(path)
    value = decode(answer)
    if answer.status_code != HTTPStatus.OK:
        raise VersionUnusable(value["message"] if isinstance(value, dict) else f"{url} gives {answer.status_code}.")
    name, version = model_of(answer)
    return {"name": name, "version": version, "document": value}


def http_row(url: str) -> Any:
    schema = ask(url, "/openapi.json")["document"]["components"]["schemas"]["Record"]
    return next(iter(schema.get("examples", [])), {})


def event_row(uri: str, trust: str) -> Any:
    """The event function shows no row, so the version is loaded here too."""
    from modelserve.http.docs.columns import example_records
    from modelserve_control.batch.models import load_model

    with load_model(uri, trust, progress()) as loaded:
        return next(iter(example_records(loaded)), {})


def envelope(row: Any) -> Mapping[str, Any]:
    """As Pub/Sub pushes a message."""
    return {
        "message": {"data": b64encode(json.dumps(row).encode()).decode(), "messageId": "1"},
        "subscription": "local",
    }


def format_answer(answer: Mapping[str, Any]) -> str:
    lines = [f"{answer['name']} version {answer['version']} answers at {answer['url']}", answer["curl"]]
    if "page" in answer:
        lines.append(f"Try it in a browser: {answer['page']}")
    return "\n".join([*lines, f"Log: {answer['log']}. Ctrl-C stops it."])
