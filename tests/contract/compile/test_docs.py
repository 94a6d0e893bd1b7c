"""docs/estimators.md names every estimator that compiles."""

from __future__ import annotations

import re
from pathlib import Path

from sklearn.linear_model import LogisticRegression

from modelserve_control.compile.registry import PREDICTORS, TRANSFORMS
from proving import prove_family

DOCUMENT = Path(__file__).parents[3] / "docs" / "estimators.md"


def test_every_estimator_that_compiles_is_named() -> None:
    prove_family(LogisticRegression(), "two")  # imports the compile functions
    named = set(re.findall(r"\w+", DOCUMENT.read_text()))
    assert [kind.__name__ for kind in (*PREDICTORS, *TRANSFORMS) if kind.__name__ not in named] == []
