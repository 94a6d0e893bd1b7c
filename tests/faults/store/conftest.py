from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from faults.proxy import Proxy
from faults.store.servers import BUCKET, emulator, fake_gcs
from modelserve.store.buckets.gcs import GcsObjects
from modelserve.store.buckets.retry import Timing

# What fails is tried again at once, and a server that only takes its time is waited for: how often it is asked is counted.
QUICK = Timing(initial_backoff=0.01, max_backoff=0.05)
# For what never comes.
IMPATIENT = Timing(read=0.3, initial_backoff=0.01, max_backoff=0.05)
BRIEF = Timing(total=1.0, initial_backoff=0.01, max_backoff=0.05)


@pytest.fixture
def server() -> Iterator[str]:
    with fake_gcs() as url:
        yield url


@pytest.fixture
def proxy(server: str) -> Iterator[Proxy]:
    with Proxy(server) as found:
        yield found


@pytest.fixture
def direct(server: str) -> Iterator[GcsObjects]:
    """Past the proxy, to arrange things."""
    with emulator(server):
        objects = GcsObjects(BUCKET)
    yield objects
    objects.close()


@pytest.fixture
def objects(proxy: Proxy) -> Iterator[GcsObjects]:
    yield from through(proxy, QUICK)


@pytest.fixture
def impatient(proxy: Proxy) -> Iterator[GcsObjects]:
    yield from through(proxy, IMPATIENT)


@pytest.fixture
def brief(proxy: Proxy) -> Iterator[GcsObjects]:
    yield from through(proxy, BRIEF)


def through(proxy: Proxy, timing: Timing) -> Iterator[GcsObjects]:
    with emulator(proxy.url):
        found = GcsObjects(BUCKET, timing)
    yield found
    found.close()


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"
