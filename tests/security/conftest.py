from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from faults.store.servers import BUCKET, emulator, fake_gcs
from modelserve.store.gcs import GcsObjects


@pytest.fixture
def server() -> Iterator[str]:
    with fake_gcs() as url:
        yield url


@pytest.fixture
def bucket(server: str) -> Iterator[GcsObjects]:
    with emulator(server):
        objects = GcsObjects(BUCKET)
    yield objects
    objects.close()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    directory = tmp_path / "model"
    directory.mkdir()
    return directory
