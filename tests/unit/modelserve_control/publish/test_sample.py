"""A few rows of a model's input, from each kind of file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modelserve.core.errors import BadInput, BadSetting, MalformedRequest, SignatureMismatch
from modelserve.schema.batch import Table
from modelserve.schema.signature import from_mlmodel
from modelserve_control.batch.files.table_files import open_table
from modelserve_control.common.options import ROW_FILES
from modelserve_control.common.progress import Lines
from modelserve_control.monitor.tables import read_columns
from modelserve_control.publish import sample

INPUTS = [
    {"name": "zone", "type": "string", "required": True},
    {"name": "count", "type": "long", "required": True},
    {"name": "when", "type": "datetime", "required": False},
]
SIGNATURE = from_mlmodel({"inputs": INPUTS})
ROWS = [{"zone": "01234", "count": 1, "when": "2026-01-02T03:04:05"}, {"zone": "5", "count": 2, "when": None}]


def records(path: Path) -> object:
    return sample.records(sample.read(path, SIGNATURE).table)


def test_json_may_be_records_or_any_body_of_invocations(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    for body in (ROWS, {"dataframe_records": ROWS}):
        path.write_text(json.dumps(body))
        assert records(path) == ROWS


def test_csv_is_read_as_the_types_of_the_signature(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("zone,count,when\n01234,1,2026-01-02T03:04:05\n5,2,\n")
    assert records(path) == ROWS


def test_parquet_gives_records_that_json_can_hold(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    table = pa.Table.from_pylist(ROWS)
    when = pa.array(["2026-01-02T03:04:05", None]).cast(pa.timestamp("us"))
    pq.write_table(table.set_column(2, "when", when), path)
    found = sample.records(sample.read(path, SIGNATURE).table)
    assert json.loads(json.dumps(found))[0] == ROWS[0] | {"when": "2026-01-02T03:04:05.000000000"}


def test_only_the_first_rows_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text(json.dumps(ROWS * 100))
    assert records(path) == (ROWS * 3)[: sample.ROWS]


@pytest.mark.parametrize("suffix", ROW_FILES)
def test_every_command_reads_the_same_endings(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"rows{suffix.upper()}"
    rows = [{"zone": "01234", "count": 1}, {"zone": "5", "count": 2}]
    if suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        lines = "\n".join(map(json.dumps, rows))
        path.write_text({".csv": "zone,count\n01234,1\n5,2\n", ".json": json.dumps(rows, indent=2)}.get(suffix, lines))
    assert records(path) == rows
    (chunk,) = open_table(path, SIGNATURE).chunks(10)
    assert sample.records(chunk.table) == rows
    columns, count = read_columns([str(path)], Lines())
    assert (count, list(columns["count"])) == (2, [1, 2])


SPLIT: dict[str, Any] = {
    "columns": ["zone", "count", "when"],
    "data": [["01234", 1, "2026-01-02T03:04:05"], ["5", 2, float("nan")]],
}


@pytest.mark.parametrize(
    ("name", "example"),
    [
        ("serving_input_example.json", {"dataframe_split": SPLIT}),
        ("serving_input_example.json", {"dataframe_split": SPLIT | {"data": [SPLIT["data"][0], ["5", 2, "NaT"]]}}),
        ("input_example.json", SPLIT),
        ("input_example.json", {"inputs": SPLIT, "params": {"factor": 2.0}}),
        ("input_example.json", {"data": SPLIT["data"]}),
        ("input_example.json", {"inputs": ROWS}),
        ("input_example.json", ROWS),
    ],
)
def test_the_input_example_is_read_as_each_mlflow_writes_it(tmp_path: Path, name: str, example: object) -> None:
    (tmp_path / name).write_text(json.dumps(example))
    payload = sample.input_example(tmp_path, SIGNATURE)
    assert payload is not None
    assert sample.records(payload.table) == ROWS


def test_a_sample_that_pandas_wrote_as_json_may_have_nan(tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text(json.dumps(ROWS).replace("null", "NaN"))
    assert records(tmp_path / "rows.json") == ROWS


@pytest.mark.parametrize(
    "example",
    [{"columns": ["zone"], "data": [["5"]]}, {"data": [1.0], "indices": [0], "indptr": [0, 1], "shape": [1, 1]}, {}],
)
def test_an_input_example_that_does_not_fit_is_refused_with_the_way_out(tmp_path: Path, example: object) -> None:
    (tmp_path / "input_example.json").write_text(json.dumps(example))
    with pytest.raises(
        BadInput, match=r"input_example\.json is no sample of its input: .* Publish it with --data FILE\."
    ):
        sample.input_example(tmp_path, SIGNATURE)


def test_an_unreadable_sample_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text("{")
    with pytest.raises(MalformedRequest, match=r"rows\.json cannot be read"):
        records(tmp_path / "rows.json")
    (tmp_path / "rows.xls").touch()
    with pytest.raises(BadSetting, match=r"rows\.xls is none of them"):
        records(tmp_path / "rows.xls")


def test_the_bad_cells_of_a_column_do_not_hide_those_of_another() -> None:
    assert SIGNATURE
    for rows, listed in ((1_000, 1_000), (2, 2)):
        table = Table({"zone": [43] * rows, "count": ["x"] * rows}, rows)
        with pytest.raises(SignatureMismatch, match=f"^{2 * rows} cells do not fit") as refused:
            sample.check(table, SIGNATURE)
        assert [detail["column"] for detail in refused.value.details] == ["zone"] * listed + ["count"] * listed
