"""An `ActiveModel` for a test, and what a test waits for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from modelserve.core.metrics import Metrics
from modelserve.core.settings import Settings
from modelserve.models.active import ActiveModel
from modelserve.models.version import Loaded
from modelserve.store.buckets.open import open_objects
from modelserve.store.names.locations import parse_store
from modelserve_control.registry.promote import promote
from signatures import table
from tiny import WAIT_SECONDS


@contextmanager
def activated(uri: object, start: bool = True, **more: str) -> Iterator[ActiveModel]:
    values = {"MODEL_URI": str(uri), "MODEL_REFRESH_SECONDS": "0.05", "MODEL_TRUST": "pickle", **more}
    made = ActiveModel(Settings.from_environ(values), Metrics(enabled=False))
    if start:
        made.start()
    try:
        yield made
    finally:
        made.stop()
        if start:
            made._thread.join(WAIT_SECONDS)


@asynccontextmanager
async def lease(active: ActiveModel) -> AsyncIterator[Loaded]:
    loaded = await active.lease()
    try:
        yield loaded
    finally:
        loaded.leases.leave()


async def answer(active: ActiveModel) -> tuple[str, Any]:
    """The version that answers, and its answer to x=1."""
    async with lease(active) as loaded:
        assert loaded.signature is not None
        batch = loaded.signature.check(table(x=[1.0]))
        return loaded.version, (await loaded.scorer.score(batch, ("predict",), {}))["predict"].tolist()


def eventually(active: ActiveModel, version: str) -> Any:
    end = time.monotonic() + WAIT_SECONDS
    while True:
        found, value = asyncio.run(answer(active))  # which may have yet to load
        if found == version:
            return value
        assert time.monotonic() < end, f"version {version} was not activated"
        assert active._thread.is_alive(), "the loader has ended"
        time.sleep(0.01)


def fails(active: ActiveModel) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while active.error is None:
        assert time.monotonic() < end, "no failure was reported"
        assert active._thread.is_alive(), "the loader has ended"
        time.sleep(0.01)


def loads(active: ActiveModel) -> Loaded:
    end = time.monotonic() + WAIT_SECONDS
    while active.current is None:
        assert time.monotonic() < end, "nothing was loaded"
        assert active._thread.is_alive(), "the loader has ended"
        time.sleep(0.01)
    return active.current


def move(store: Path, version: str) -> None:
    promote(open_objects(parse_store(str(store))), "c", version, "champion")
