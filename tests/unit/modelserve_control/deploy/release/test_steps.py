"""What a release says of a version that breaks callers."""

from __future__ import annotations

from typing import Any

import pytest

from modelserve_control.compare.sides.wire import Description
from modelserve_control.compare.stats.contract import find_changes
from modelserve_control.deploy.release.steps import describe_breaking


def describe(inputs: list[dict[str, Any]]) -> Description:
    signature = {"inputs": inputs}
    return Description(
        name="m",
        version="1",
        runtime="native",
        methods=["predict"],
        classes=None,
        signature=signature,
        presentation={},
        file_rows=1,
    )


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ([{"name": "miles", "type": "double"}], ""),
        ([{"name": "miles", "type": "double"}, {"name": "rain", "type": "double", "required": False}], ""),
        (
            [{"name": "miles", "type": "double"}, {"name": "rain", "type": "double"}],
            "column rain (none before, double now). `schema: compatible` in the thresholds refuses it.",
        ),
        (
            [{"name": "miles", "type": "string"}],
            "column miles (double before, string now). `schema: compatible` in the thresholds refuses it.",
        ),
    ],
)
def test_what_callers_must_change_is_said(inputs: list[dict[str, Any]], said: str) -> None:
    before = describe([{"name": "miles", "type": "double"}])
    assert describe_breaking(find_changes(before, describe(inputs))) == said
