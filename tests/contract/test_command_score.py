"""`modelserve score`: the rows of a real batch, against the answers of the HTTP function."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from batches import BAD, GOOD, Batches, scored
from command_line import CommandLine
from models.library import Library, room
from serving import Functions

PRESENTED = {"positive_class": "yes", "threshold": 0.4, "label": "churn"}
CONTRACTS = ("month-to-month", "one_year", "two_year")
OWN = ["model", "version", "error"]


def customers(rows: int) -> pa.Table:
    """All different, and far enough from each other to get both labels."""
    return pa.Table.from_pylist(
        [
            {"contract": CONTRACTS[row % 3], "tenure": row % 73, "monthlycharges": 20.0 + row % 1009 / 10}
            for row in range(rows)
        ]
    )


def as_http(row: Mapping[str, Any]) -> dict[str, Any]:
    """An output row as the result object that it was made of."""
    answer = {name: value for name, value in row.items() if name not in OWN and not name.startswith("probability_")}
    shares = {name.removeprefix("probability_"): row[name] for name in row if name.startswith("probability_")}
    return answer | ({"probabilities": shares} if shares else {})


@pytest.fixture
def batch(models: Library, tmp_path: Path) -> Batches:
    return Batches(models, tmp_path)


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_every_row_gets_the_answer_of_the_http_function_in_its_place(
    batch: Batches, functions: Functions, tmp_path: Path, form: str
) -> None:
    table = customers(25_000)
    if form == "csv":
        pa_csv.write_csv(table, tmp_path / "rows.csv")
    given: Any = table if form == "parquet" else (tmp_path / "rows.csv").read_text()
    counts = batch("churn", given, "--batch-rows", 700, presentation=PRESENTED)
    assert (counts["rows"], counts["scored"], counts["failed"]) == (25_000, 25_000, 0)
    served = functions("churn", presentation=PRESENTED)
    records = table.to_pylist()
    answers = [
        row for start in range(0, 25_000, 5_000) for row in served.post("/", records[start : start + 5_000]).json()
    ]
    rows = scored(tmp_path / "out.parquet")
    assert [as_http(row) for row in rows] == answers
    assert {(row["model"], row["version"], row["error"]) for row in rows} == {("churn", "1", None)}
    assert {row["prediction"] for row in rows} == {"yes", "no"}


def test_bad_rows_have_the_reasons_of_the_http_function_and_stop_nobody(
    batch: Batches, functions: Functions, tmp_path: Path
) -> None:
    records = [GOOD, *BAD, GOOD, GOOD, BAD[0], GOOD]
    counts = batch("churn", records, "--batch-rows", 3)
    assert (counts["rows"], counts["scored"], counts["failed"]) == (9, 4, 5)
    rows = scored(tmp_path / "out.parquet")
    served = functions("churn")
    for record, row in zip(records, rows, strict=True):
        answer = served.post("/", {name: None if value == float("inf") else value for name, value in record.items()})
        if record is GOOD:
            assert (row["error"], as_http(row)) == (None, answer.json())
        else:
            assert [row[name] for name in row if name not in OWN] == [None] * 3
            if record is not BAD[3]:  # JSON has no infinity
                details = answer.json()["details"]
                assert row["error"] == "; ".join(f"{cell['column']}: {cell['reason']}" for cell in details)
    assert rows[1]["error"] == "tenure: has a fraction, needs long"
    assert rows[4]["error"] == "monthlycharges: Infinity is not a finite number"


def test_more_bad_cells_than_one_answer_names_are_all_found(batch: Batches, tmp_path: Path) -> None:
    table = customers(4_000)
    tenure = [0.5 if row % 2 else float(row % 73) for row in range(4_000)]
    batch("churn", table.set_column(1, "tenure", pa.array(tenure)))
    errors = [row["error"] for row in scored(tmp_path / "out.parquet")]
    assert errors == [None, "tenure: has a fraction, needs long"] * 2_000


def test_a_csv_line_of_another_length_is_one_bad_row(batch: Batches, tmp_path: Path) -> None:
    text = "contract,tenure,monthlycharges\none_year,41,79.85\none_year,41\none_year,,79.85\n\none_year,41,79.85\n"
    assert batch("churn", text)["failed"] == 2
    rows = scored(tmp_path / "out.parquet")
    assert [row["error"] for row in rows] == [
        None,
        "has 2 fields, the header has 3",
        "tenure: null in a required column",
        None,
    ]
    assert rows[0] == rows[3]


def test_only_the_rows_on_which_the_model_raises_fail(batch: Batches, tmp_path: Path) -> None:
    records = [{"x": float(row), "marked": row in (7, 40, 99)} for row in range(100)]
    assert batch("raising", records, "--batch-rows", 64)["failed"] == 3
    rows = scored(tmp_path / "out.parquet")
    failed = {row: found["error"] for row, found in enumerate(rows) if found["error"]}
    assert failed == dict.fromkeys((7, 40, 99), "The model raised ValueError on these rows.")
    assert [found["prediction"] for found in rows] == [None if row in failed else float(row) for row in range(100)]


def test_cells_as_pandas_and_bigquery_store_them_are_scored_or_refused_by_name(batch: Batches, tmp_path: Path) -> None:
    contracts = pa.array(["one_year", "two_year", "one_year", "one_year"]).dictionary_encode()  # Categorical, in pandas
    charges = [Decimal("79.85"), Decimal("20.5"), Decimal("123456789012345678.5"), None]  # NUMERIC, in BigQuery
    columns = {"contract": contracts, "tenure": [41] * 4, "monthlycharges": pa.array(charges, pa.decimal128(38, 9))}
    assert batch("churn", pa.table(columns), "--batch-rows", 2)["failed"] == 2
    rows = scored(tmp_path / "out.parquet")
    assert [row["error"] for row in rows] == [
        None,
        None,
        "monthlycharges: a decimal with more digits than double keeps",
        "monthlycharges: null in a required column",
    ]
    batch("churn", [GOOD, GOOD | {"contract": "two_year", "monthlycharges": 20.5}], "--overwrite")
    assert scored(tmp_path / "out.parquet") == rows[:2]
    refused = batch("churn", pa.table(columns | {"contract": pa.array([time(1)] * 4)}), "--overwrite", code=1)
    assert refused["failed"] == 4
    assert scored(tmp_path / "out.parquet")[0]["error"] == "contract: a time of day, needs string"


def test_an_instant_that_the_model_cannot_see_spoils_its_row_only(batch: Batches, tmp_path: Path) -> None:
    rows = [{"when": datetime(year, 12, 31), "amount": 1.0} for year in (2020, 9999, 2021)]
    assert batch("optional", rows)["failed"] == 1
    found = scored(tmp_path / "out.parquet")
    assert [row["error"] for row in found] == [None, "when: out of range for its type", None]
    assert "2021-12-31" in found[2]["prediction"]


def test_a_null_and_a_number_that_only_an_integer_holds_are_scored_apart(tmp_path: Path) -> None:
    python = room("python")
    described = python.signature({"n": "long"}, {"t": "string"}, optional=["n"])
    model = python.save_pyfunc(python.scripted.Described(), tmp_path / "m", described)
    pq.write_table(pa.table({"n": [None] * 1_500 + [2**53 + 1, None]}), tmp_path / "in.parquet")
    command = CommandLine(str(tmp_path / "store"))
    command("score", model, tmp_path / "in.parquet", tmp_path / "out.parquet", "--trust", "pickle")
    predictions = [row["prediction"] for row in scored(tmp_path / "out.parquet")]
    assert predictions == ["n=null"] * 1_500 + [f"n={2**53 + 1}", "n=null"]


@pytest.mark.parametrize(
    ("model", "runtime", "good", "bad"),
    [
        ("churn", "native", GOOD, {"tenure": 0.5}),
        ("integer_labels", "compiled", {"length": 1.0, "width": 2.0}, {"length": None}),
        (
            "ride_duration",
            "compiled",
            {"PULocationID": 130, "DOLocationID": 205, "trip_distance": 3.66},
            {"trip_distance": None},
        ),
        ("framed", "native", {"x": -1.0}, {"x": None}),
    ],
)
def test_the_columns_are_the_same_when_the_first_rows_are_bad_all_are_and_there_are_none(
    batch: Batches, tmp_path: Path, model: str, runtime: str, good: dict[str, Any], bad: dict[str, Any]
) -> None:
    schema = pa.Table.from_pylist([good, good | bad]).schema
    output = tmp_path / "out.parquet"
    schemas = []
    batch = replace(batch, runtime=runtime)
    for rows in ([good | bad] * 150 + [good], [good | bad] * 3, []):
        none_scored = bool(rows) and good not in rows
        table = pa.Table.from_pylist(rows, schema)
        counts = batch(model, table, "--batch-rows", 2, "--overwrite", code=int(none_scored))
        assert counts["rows"] == pq.read_metadata(output).num_rows == len(rows)
        schemas.append(pq.read_schema(output))
    assert all(found == schemas[0] for found in schemas)
    assert schemas[0].names[-3:] == OWN


def test_what_is_not_finite_is_null_as_in_json(batch: Batches, tmp_path: Path) -> None:
    batch("framed", [{"x": -2.0}, {"x": 3.0}])
    predictions = [row["prediction"] for row in scored(tmp_path / "out.parquet")]
    assert predictions == [{"x": -2.0, "square": None}, {"x": 3.0, "square": 9.0}]


@pytest.mark.parametrize("method", ["predict_proba", "decision_function"])
def test_a_method_may_be_chosen(batch: Batches, functions: Functions, tmp_path: Path, method: str) -> None:
    batch("churn", customers(50), "--method", method)
    answer = functions("churn").post(
        "/invocations", {"dataframe_records": customers(50).to_pylist()}, params={"predict_method": method}
    )
    assert [row["prediction"] for row in scored(tmp_path / "out.parquet")] == answer.json()["predictions"]
