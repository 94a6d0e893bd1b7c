"""`--native`: build the image with mlflow too."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--native", action="store_true", help="also build the image that serves every model")
