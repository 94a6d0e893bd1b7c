"""What is refused before a model is loaded."""

from __future__ import annotations

import pytest

from modelserve.core.errors import BadSetting
from modelserve_control.batch.score import ScoreOptions, check_addresses


@pytest.mark.parametrize(
    ("source", "output"),
    [
        ("rows.parquet", "./rows.parquet"),
        ("rows", "rows/"),
        ("gs://bucket/rows.parquet", "gs://bucket/rows.parquet"),
        ("bq://project.dataset.rows", "bq://project.dataset.rows"),
    ],
)
def test_rows_are_not_replaced_by_their_answers(source: str, output: str) -> None:
    options = ScoreOptions("m", source, output, overwrite=True)
    with pytest.raises(BadSetting, match="is also the input, and its rows would be lost"):
        check_addresses(source, output, "models/m/versions/1", None, options)
