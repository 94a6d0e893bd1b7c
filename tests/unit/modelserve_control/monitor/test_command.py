"""What the command `drift` adds to a refusal: its own options, which others that measure drift do not have."""

from __future__ import annotations

import pytest

from modelserve.core.errors import ServeError
from modelserve_control.common.errors import NoProfile, NothingCompared, NothingScored
from modelserve_control.monitor.command import add_hint, name_new


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (NothingScored("None fits."), "None fits. With --no-score they are compared without predictions."),
        (NoProfile("It has none."), "It has none. Or compare with another version: --against VERSION."),
        (NothingCompared("No rows."), "No rows."),
    ],
)
def test_a_refusal_names_the_options_of_drift(error: ServeError, message: str) -> None:
    with pytest.raises(type(error)) as refused, add_hint():
        raise error
    assert refused.value.message == message


def test_a_column_with_new_categories_names_the_first() -> None:
    column = {"reasons": ["chi2", "new"], "new": {"1\x1b[2J": 0.3, "b": 0.2, "c": 0.1, "d": 0.1}}
    assert name_new(column) == ": 1 [2J, b, c, ..."
    assert name_new(column | {"reasons": ["chi2"]}) == name_new({"reasons": ["ks"]}) == ""
