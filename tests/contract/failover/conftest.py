from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from contract.failover.account import service_account
from contract.failover.compute import Compute, compute_server
from contract.failover.rig import Rig
from contract.failover.scripted import Scripted, scripted_side

TOKEN = "t" * 32


@pytest.fixture(scope="session")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with service_account(tmp_path_factory.mktemp("account") / "key.json") as path:
        yield path


@pytest.fixture
def compute() -> Iterator[Compute]:
    with compute_server(TOKEN) as server:
        yield server
        assert not server.faults, "some faults were never met"


@pytest.fixture
def functions_side() -> Iterator[Scripted]:
    with scripted_side() as side:
        yield side


@pytest.fixture
def gke_side() -> Iterator[Scripted]:
    with scripted_side(origin=TOKEN) as side:
        yield side


@pytest.fixture
def rig(
    compute: Compute,
    functions_side: Scripted,
    gke_side: Scripted,
    account: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Rig:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(account))
    return Rig(compute, functions_side.url, gke_side.url, account)
