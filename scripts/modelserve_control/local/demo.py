"""`scripts/demo`: train, publish, serve and score two real tables on this machine, and show every answer."""

import hashlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import click

from modelserve.core.errors import ServeError
from modelserve_control.common import processes
from modelserve_control.common.output import terminate_as_interrupt
from modelserve_control.common.processes import Commands
from modelserve_control.common.services.client import ServiceClient
from modelserve_control.common.services.polling import poll
from modelserve_control.local import background

# Modules that import Google's clients are imported where they are used: that takes a second, and Ctrl-C during the imports
# of this module would show a traceback.
EXAMPLES = processes.SOURCES / "scripts" / "examples"
CACHE = processes.SOURCES / ".cache" / "demo"
WIDTH = 78

CUSTOMER: dict[str, Any] = json.loads((EXAMPLES / "customer.json").read_text())
FLIGHT = {"flight": {"origin_dest": "EWR_IAH", "distance": 1400}, "flight_id": "UA1545"}
CHURN = ["--positive-class", "yes", "--threshold", "0.5", "--label", "churn"]


@contextmanager
def step(what: str) -> Iterator[None]:
    click.echo(f"{what} ", nl=False)
    started = time.monotonic()
    yield
    took = f" {time.monotonic() - started:.1f} s"
    click.echo("." * max(3, WIDTH - len(what) - 1 - len(took)) + took)


def show(*lines: str) -> None:
    for line in lines:
        click.echo(f"    {line}")


def train(commands: Commands, example: str) -> dict[str, Any]:
    script = EXAMPLES / f"{example}.py"
    cached = CACHE / f"{example}-{hashlib.sha256(script.read_bytes()).hexdigest()[:12]}.json"
    if not cached.exists():
        code, out, err = commands.run([sys.executable, str(script)], processes.with_sources(os.environ))
        if code:
            raise click.ClickException(f"{script.name} failed.\n{err}")
        CACHE.mkdir(parents=True, exist_ok=True)
        cached.write_text(out[out.index("{") :])
    return dict(json.loads(cached.read_text()))


def publish(
    commands: Commands, trained: Mapping[str, Any], name: str, options: list[str], environ: Mapping[str, str]
) -> dict[str, Any]:
    words = [str(Path(sys.executable).with_name("modelserve")), "publish", trained["run_uri"], "--name", name]
    words += ["--alias", "champion", "--data", str(trained["sample"]), "--json", *options]
    environ = {**os.environ, **environ, "MLFLOW_TRACKING_URI": trained["tracking_uri"]}
    code, out, err = commands.run(words, environ)
    if code:
        raise click.ClickException(f"publishing {name} failed.\n{out}{err}")
    return dict(json.loads(out))


def describe_compilation(published: Mapping[str, Any]) -> str:
    verified = published["verified"]
    if verified is None:
        return f"{published['name']}: {published['not_compiled']}"
    rows, difference = verified["rows"], verified["greatest_difference"]
    return f"{published['name']} is compiled: {rows:,} rows give what scikit-learn gives, within {difference:.1e}"


@contextmanager
def stack(keep: bool) -> Iterator[dict[str, Any]]:
    settings = {"MODEL_REFRESH_SECONDS": "0.5"}
    if keep:
        options = ["--model=churn", "--event-model=churn", *(f"--env={key}={value}" for key, value in settings.items())]
        yield background.start(options)
        return
    from modelserve_control.local.stack import Function, Options, Stack

    function = Function("gs://modelserve-local/models/churn@champion", settings)
    with Stack(Options(predict=function, predict_event=function)) as running:
        yield running.addresses.as_json()


def client_environ(addresses: Mapping[str, Any]) -> dict[str, str]:
    return {
        "MODELSERVE_STORE": f"gs://{addresses['bucket']}",
        "STORAGE_EMULATOR_HOST": addresses["storage"],
        "PUBSUB_EMULATOR_HOST": addresses["pubsub"],
        "GOOGLE_CLOUD_PROJECT": addresses["project"],
        "NO_GCE_CHECK": "true",
        **processes.without_proxy(os.environ),
    }


@contextmanager
def flight_function(addresses: Mapping[str, Any]) -> Iterator[str]:
    from modelserve_control.local.stack import FUNCTIONS

    port = processes.free_port()
    environ = processes.with_sources(os.environ) | client_environ(addresses)
    environ |= {"FUNCTION_TARGET": "predict_event", "FUNCTION_SOURCE": str(FUNCTIONS / "main.py"), "DRY_RUN": "true"}
    environ |= {"FUNCTION_USE_ASGI": "true", "HOST": "127.0.0.1", "PORT": str(port)}
    environ |= {"MODEL_URI": f"gs://{addresses['bucket']}/models/flights@champion"}
    environ |= {"EVENT_FEATURES_FIELD": "flight", "EVENT_ID_FIELD": "flight_id"}
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as directory:
        command = processes.module("functions_framework")
        ready = processes.http_probe(f"{url}/health/ready")
        with processes.run_child("the flight function", command, Path(directory) / "log", ready, environ):
            yield url


def call(url: str, value: Any = None) -> tuple[int, Any]:
    with ServiceClient(url) as client:
        response = client.get("") if value is None else client.post("", json.dumps(value).encode())
    return response.status_code, response.json()


def publish_event(addresses: Mapping[str, Any], data: bytes, subscription: str) -> Any:
    """The next message of the subscription."""
    from modelserve_control.local import resources

    host, path = addresses["pubsub"], addresses["subscriptions"][subscription]
    with resources.publisher(host) as publisher, resources.subscriber(host) as subscriber:
        publisher.publish(request={"topic": addresses["topics"]["events"], "messages": [{"data": data}]})
        while not (found := subscriber.pull(subscription=path, max_messages=1, timeout=30).received_messages):
            pass
        subscriber.acknowledge(subscription=path, ack_ids=[found[0].ack_id])
    return found[0].message


def show_answers(addresses: Mapping[str, Any], flights: Mapping[str, Any]) -> None:
    predict = addresses["predict"]
    click.echo("\nA customer over HTTP: POST /predict")
    _, answer = call(f"{predict}/predict", CUSTOMER)
    metadata = call(f"{predict}/metadata")[1]
    show(json.dumps(answer), f"by {metadata['name']} version {metadata['version']}, digest {metadata['digest'][:16]}")
    click.echo("\nThe same customer with two mistakes")
    status, error = call(f"{predict}/predict", CUSTOMER | {"tenure": 41.5, "seniorcitizen": "false"})
    show(f"{status} {error['error_code']}: {error['message']}")
    show(*(f"row {cell['row']}, {cell['column']}: {cell['reason']}" for cell in error["details"]))
    click.echo("\nThe same customer over Pub/Sub: published to events, read from predictions")
    event = json.loads(publish_event(addresses, json.dumps(CUSTOMER).encode(), "predictions_pull").data)
    show(json.dumps(event), f"the same answer as over HTTP: {event['prediction'] == answer}")
    click.echo("\nA message that can never be scored, read from dead-letter")
    dead = publish_event(addresses, b'{"tenure": "a while"}', "dead_letter_pull")
    show(dead.data.decode(), f"{dead.attributes['error_code']}: {dead.attributes['error_message'][:90]}...")
    click.echo("\nAnother model behind the same event function, in a dry run")
    with flight_function(addresses) as url:
        _, scored = call(url, FLIGHT)
    show(json.dumps(scored["predictions"][0]), f"minutes in the air; digest {flights['manifest_sha256'][:16]}")


@click.command()
@click.option("--keep", is_flag=True, help="Leave the stack running and say how to stop it.")
def main(keep: bool) -> None:
    """Train, publish, serve and score on this machine. Needs no cloud account."""
    terminate_as_interrupt()
    os.environ.update(processes.without_proxy(os.environ))
    try:
        run(keep)
    except ServeError as error:
        click.echo()
        raise click.ClickException(error.message) from None


def run(keep: bool) -> None:
    started = time.monotonic()
    # Leaving ends the commands first: the threads of the pool wait for them.
    with ThreadPoolExecutor(2) as pool, Commands() as commands:
        with step("Train on 7,043 customers and 327,346 flights"):
            churn, flights = pool.map(partial(train, commands), ("telco_churn", "flight_duration"))
        show(
            f"churn: ROC AUC {churn['metrics']['roc_auc']:.3f}; flights: off by {flights['metrics']['mae_minutes']:.1f} minutes"
        )
        with ExitStack() as exit:
            with step("Start storage, Pub/Sub and both functions"):
                addresses = exit.enter_context(stack(keep))
            with step("Publish both models and promote them to champion"):
                publishing = [
                    pool.submit(publish, commands, trained, name, options, client_environ(addresses))
                    for trained, name, options in (
                        (churn, "churn", CHURN),
                        (flights, "flights", ["--label", "flight_duration"]),
                    )
                ]
                published = [future.result() for future in publishing]
            show(*(describe_compilation(one) for one in published))
            with step("Wait until both functions have verified and loaded churn"):
                for target in ("predict", "predict_event"):
                    ready = processes.http_probe(f"{addresses[target]}/health/ready")
                    if not any(ready() for _ in poll(120.0, 0.1)):
                        raise click.ClickException(f"{addresses[target]} has no active model after two minutes.")
            show_answers(addresses, published[1])
    click.echo(f"\nDone in {time.monotonic() - started:.0f} s. ", nl=False)
    if not keep:
        click.echo("Nothing is left running; --keep would leave it.")
        return
    click.echo(f"Still running: {addresses['predict']} and {addresses['predict_event']}")
    show("stop it with .venv/bin/modelserve local down")


if __name__ == "__main__":
    main()
