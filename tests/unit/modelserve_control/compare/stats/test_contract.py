"""Which differences break those who call A."""

from __future__ import annotations

from typing import Any

import pytest

from modelserve_control.compare.sides.wire import Description
from modelserve_control.compare.stats.contract import find_changes

COLUMNS = [{"name": "x", "type": "double", "required": True}, {"name": "note", "type": "string", "required": False}]
SIGNATURE = {"inputs": COLUMNS, "outputs": [{"type": "string"}], "params": None}
CLASSIFIER: dict[str, Any] = {
    "name": "m",
    "version": "1",
    "runtime": "native",
    "methods": ["predict", "predict_proba"],
    "classes": ["no", "yes"],
    "signature": SIGNATURE,
    "presentation": {"label": "churn", "positive_class": "yes", "threshold": 0.5},
    "file_rows": 1,
}


def found(**changed: Any) -> dict[str, bool]:
    """What differs, and whether it breaks."""
    made = find_changes(Description(**CLASSIFIER), Description(**CLASSIFIER | changed))
    return {change["what"]: change["breaking"] for change in made}


def taking(*columns: dict[str, Any]) -> dict[str, Any]:
    return SIGNATURE | {"inputs": list(columns)}


def test_the_same_is_no_difference() -> None:
    assert found() == {}


@pytest.mark.parametrize(
    ("signature", "expected"),
    [
        (taking(*COLUMNS, {"name": "y", "type": "long", "required": True}), {"column y": True}),
        (taking(*COLUMNS, {"name": "y", "type": "long", "required": False}), {"column y": False}),
        (taking(COLUMNS[0]), {"column note": False}),
        (taking(COLUMNS[0] | {"type": "long"}, COLUMNS[1]), {"column x": True}),
        (taking(COLUMNS[0], COLUMNS[1] | {"required": True}), {"column note": True}),
        (taking(COLUMNS[0] | {"required": False}, COLUMNS[1]), {"column x": False}),
        (taking(*reversed(COLUMNS)), {"order of the columns": False}),
        (SIGNATURE | {"outputs": [{"type": "long"}]}, {"output 0": True}),
        (SIGNATURE | {"params": [{"name": "k", "type": "long", "default": 3}]}, {"param k": False}),
        (None, {"column x": False, "column note": False, "output 0": True, "signature": True}),
    ],
)
def test_of_the_signature(signature: Any, expected: dict[str, bool]) -> None:
    assert found(signature=signature) == expected


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"methods": ["predict"]}, {"method predict_proba": True}),
        ({"methods": ["predict_proba", "predict"]}, {"default method": True}),
        ({"classes": ["no", "yes", "maybe"]}, {"class maybe": True}),
        ({"classes": None}, {"classes": True}),
        ({"presentation": {"label": "left", "positive_class": "yes", "threshold": 0.4}}, {"label": True, "threshold": False}),
        ({"runtime": "compiled"}, {"runtime": False}),
    ],
)  # fmt: skip
def test_of_what_is_answered(changed: dict[str, Any], expected: dict[str, bool]) -> None:
    assert found(**changed) == expected
