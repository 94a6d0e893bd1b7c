"""What is refused before a model is loaded, and what a person is told at the end."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from modelserve.core.errors import BadSetting
from modelserve.schema.signature import Signature
from modelserve_control.batch.command import format_counts
from modelserve_control.batch.score import ScoreOptions, check_addresses
from modelserve_control.batch.writing import default_batch_rows
from signatures import nameless, signature, signature_of, tensor


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


def test_the_month_of_the_page_has_the_texts_of_a_training_also_where_a_place_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (Path(__file__).parents[4] / "docs" / "batch-many.md").read_text()
    monkeypatch.chdir(tmp_path)
    month = pd.DataFrame({"PULocationID": [231.0, None], "DOLocationID": [7, 8], "trip_distance": [1.5, 2.5]})
    month.to_parquet("green_tripdata_2022-03.parquet")
    exec(re.findall(r"```python\n(.*?)```", page, re.DOTALL)[0], {})
    assert pq.read_table("texts_2022-03.parquet").to_pylist() == [
        {"PULocationID": "231", "DOLocationID": "7", "trip_distance": 1.5},
        {"PULocationID": "-1", "DOLocationID": "8", "trip_distance": 2.5},
    ]


def test_numbers_where_the_model_takes_texts_are_told_with_what_to_do() -> None:
    counts = {"model": "m", "version": "1", "rows": 2, "scored": 0, "failed": 2, "seconds": 1.0, "rows_per_second": 2}
    reasons = {"PULocationID: an integer, needs string; DOLocationID: an integer, needs string": 2}
    lines = format_counts(counts | {"unknown_categories": 0, "reasons": reasons}).splitlines()
    assert lines[-1].startswith("The model takes texts for PULocationID, DOLocationID: make them texts before")
    assert "takes texts" not in format_counts(counts | {"unknown_categories": 0, "reasons": {"x: null": 2}})


@pytest.mark.parametrize(
    ("known", "rows"),
    [
        (signature(x="double", t="string?"), 100_000),
        (nameless(*["double"] * 50), 40_000),
        (nameless(*["long"] * 1_000), 10_000),
        (signature_of([tensor("float64", -1, 784, name="image")]), 10_000),
        (None, 10_000),
    ],
)
def test_a_call_has_fewer_rows_where_they_are_wide(known: Signature | None, rows: int) -> None:
    assert default_batch_rows(known) == rows
