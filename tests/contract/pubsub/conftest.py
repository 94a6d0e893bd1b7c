"""Every test here runs over our server and, where it is installed, over Google's emulator."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from contract.pubsub import backends, endpoints
from contract.pubsub.backends import Backend, Names
from contract.pubsub.endpoints import Endpoint
from modelserve_control.local.emulators import EmulatorMissing


@pytest.fixture(scope="session", params=["ours", "google"])
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    try:
        with backends.running(request.param) as running:
            yield running
    except EmulatorMissing as error:
        print(f"\nNot run over Google's emulator: {error.message}")
        pytest.skip(error.message)


@pytest.fixture
def names() -> Names:
    return backends.new_names()


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with endpoints.running() as running:
        yield running
