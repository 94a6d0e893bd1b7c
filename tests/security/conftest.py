"""The bucket server of tests/faults/store, and a directory for a model."""

from __future__ import annotations

from pathlib import Path

import pytest

from faults.store.conftest import direct as bucket
from faults.store.conftest import server

__all__ = ["bucket", "server"]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    directory = tmp_path / "model"
    directory.mkdir()
    return directory
