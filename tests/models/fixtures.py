"""The fixture `models`, which tests/conftest.py passes on."""

from __future__ import annotations

import pytest

from models.library import Library


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Library:
    """See `models.library.Library`: `models.path("churn")` is an MLflow directory."""
    return Library(tmp_path_factory.mktemp("models"))
