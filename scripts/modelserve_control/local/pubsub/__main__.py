"""`python -m modelserve_control.local.pubsub --port N`: serve until SIGTERM or Ctrl-C; the first line on stdout is the address."""

from __future__ import annotations

import asyncio
import json
import logging
import signal

import click

from modelserve_control.local.pubsub.server import Server, run
from modelserve_control.local.pubsub.topics.errors import ServeError


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=0, show_default="a free one", type=click.IntRange(0, 65_535))
def main(host: str, port: int) -> None:
    """Serve Pub/Sub to clients that set PUBSUB_EMULATOR_HOST to the printed host."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    try:
        run(_serve(host, port))
    except ServeError as error:
        raise click.ClickException(error.message) from error


async def _serve(host: str, port: int) -> None:
    stopping = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stopping.set)
    server = Server()
    address = await server.start(host, port)
    print(json.dumps({"host": address}), flush=True)
    await stopping.wait()
    await server.stop()


main()
