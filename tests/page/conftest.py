from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from browser import browser, patience, tab
from page.churn_console import command, console, pubsub, room
from serving import Served, release, serving

if TYPE_CHECKING:
    from models.library import Library  # imports mlflow, which takes seconds

__all__ = ["browser", "command", "console", "patience", "pubsub", "room", "tab"]

SAMPLE = [
    {"contract": "one_year", "tenure": 41, "monthlycharges": 79.85},
    {"contract": "month-to-month", "tenure": 2, "monthlycharges": 99.5},
]
CHURN = {"positive_class": "yes", "threshold": 0.5, "label": "churn"}


@pytest.fixture(scope="session")
def served(models: Library, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The compiled churn model with a sample and a presentation."""
    room = tmp_path_factory.mktemp("page")
    release(room / "store", "churn", models.path("churn"), CHURN, runtime="compiled", sample=SAMPLE)
    settings = {"MODEL_URI": f"{room}/store/models/churn@champion", "METRICS": "true"}
    with serving(room / "log", settings | {"CORS_ORIGINS": "https://app.example"}) as function:
        yield function
