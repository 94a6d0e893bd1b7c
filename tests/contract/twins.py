"""The fixture `functions`, once with native versions and once with compiled ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from serving import Functions

if TYPE_CHECKING:
    from models.library import Library

native_alone = pytest.mark.parametrize("functions", ["native"], indirect=True)
"""Of a test whose model does not compile: its twin would be the same function once more."""


@pytest.fixture(scope="session", params=["native", "compiled"])
def functions(
    request: pytest.FixtureRequest, models: Library, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Functions]:
    """A model that does not compile is native in both."""
    made = Functions(models, tmp_path_factory.mktemp("functions"), request.param, cold=True)
    yield made
    made.close()
