"""A Pub/Sub server of a module's own, with the kit's topics."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, Final

import pytest

from http_server import WAIT_SECONDS
from modelserve_control.local import resources
from modelserve_control.local.pubsub import server
from modelserve_control.local.resources import Names

NAMES: Final = Names("p", "b")


@contextmanager
def serve_in_thread() -> Iterator[str]:
    """Yields `host:port`, the value of PUBSUB_EMULATOR_HOST."""
    ready: Future[str] = Future()
    stop: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def serve() -> None:
        stopping = asyncio.Event()
        stop.set_result((asyncio.get_running_loop(), stopping))
        running = server.Server()
        ready.set_result(await running.start("127.0.0.1", 0))
        await stopping.wait()
        await running.stop()

    def main() -> None:
        try:
            server.run(serve())
        except BaseException as error:
            # Nobody waits for the future any more, so the thread reports the error.
            if ready.done():
                raise
            ready.set_exception(error)

    thread = threading.Thread(target=main, name="pubsub", daemon=True)
    thread.start()
    try:
        yield ready.result()
    finally:
        loop, stopping = stop.result()
        if not loop.is_closed():
            loop.call_soon_threadsafe(stopping.set)
        thread.join()


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    """The value of PUBSUB_EMULATOR_HOST."""
    with serve_in_thread() as running:
        resources.make_topics(running, NAMES)
        yield running


def pull(host: str, subscription: str, count: int = 1) -> list[Any]:
    """So many messages, and whatever else came with them, acked."""
    found: list[Any] = []
    end = time.monotonic() + WAIT_SECONDS
    with resources.subscriber(host) as subscriber:
        while len(found) < count:
            assert time.monotonic() < end, f"{len(found)} of {count} messages came within {WAIT_SECONDS:g} s"
            received = subscriber.pull(subscription=subscription, max_messages=1_000, timeout=30).received_messages
            subscriber.acknowledge(subscription=subscription, ack_ids=[one.ack_id for one in received])
            found += [one.message for one in received]
    return found
