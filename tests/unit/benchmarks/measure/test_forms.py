"""Every wire form contains the same rows, and its ratio decides whether its target is met."""

from __future__ import annotations

import csv
import io
import json
import struct
from collections.abc import Mapping
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from benchmarks.__main__ import main
from benchmarks.load.closed_loop import post
from benchmarks.measure.forms import FORMS, Form, FormFigures, Turn
from benchmarks.report import tables

ROWS = [{"contract": "one_year", "tenure": 41, "monthlycharges": 79.85}, {"contract": "two_year", "tenure": 1, "monthlycharges": 20.0}]  # fmt: skip
LISTS = [list(row.values()) for row in ROWS]
COLUMNS = {"contract": ["one_year", "two_year"], "tenure": [41, 1], "monthlycharges": [79.85, 20.0]}
VALUES: Mapping[str, Any] = {
    "plain": ROWS,
    "dataframe_records": {"dataframe_records": ROWS},
    "instances": {"instances": ROWS},
    "dataframe_split": {"dataframe_split": {"columns": list(COLUMNS), "data": LISTS}},
    "inputs": {"inputs": COLUMNS},
    "instance_lists": {"instances": LISTS},
    "params": {"dataframe_records": ROWS, "params": {"predict_method": "predict"}},
    "v2": {
        "inputs": [
            {"name": "contract", "shape": [2, 1], "datatype": "BYTES", "parameters": {"content_type": "str"}, "data": COLUMNS["contract"]},
            {"name": "tenure", "shape": [2, 1], "datatype": "INT64", "data": [41, 1]},
            {"name": "monthlycharges", "shape": [2, 1], "datatype": "FP64", "data": [79.85, 20.0]},
        ]
    },
}  # fmt: skip


@pytest.mark.parametrize("name", VALUES)
def test_a_json_form_has_its_own_shape(name: str) -> None:
    assert json.loads(FORMS[name].protocol.encode(ROWS)) == VALUES[name]


def test_one_plain_record_is_an_object() -> None:
    protocol = FORMS["plain"].protocol
    assert json.loads(protocol.encode(ROWS[:1])) == ROWS[0]
    assert protocol.is_right(b'{"prediction": "no", "probabilities": {}}', ["no"])
    assert protocol.is_right(b'[{"prediction": "no"}, {"prediction": "yes"}]', ["no", "yes"])
    assert not protocol.is_right(b'[{"prediction": "no"}]', ["no", "yes"])


def test_csv_and_parquet_hold_the_same_rows() -> None:
    text = FORMS["csv"].protocol.encode(ROWS).decode()
    assert list(csv.reader(io.StringIO(text))) == [list(COLUMNS), *([str(cell) for cell in row] for row in LISTS)]
    assert pq.read_table(io.BytesIO(FORMS["parquet"].protocol.encode(ROWS))).to_pylist() == ROWS


def test_numbers_as_bytes_stand_behind_their_description() -> None:
    protocol = FORMS["binary"].protocol
    body = protocol.encode([{"a": 1.5, "b": 2.0}, {"a": 0.5, "b": -1.0}])
    (size,) = protocol.headers(body).values()
    assert isinstance(size, int)
    description = {"name": "input", "shape": [2, 2], "datatype": "FP64", "parameters": {"binary_data_size": 32}}
    assert json.loads(body[:size]) == {"inputs": [description]}
    assert struct.unpack("<4d", body[size:]) == (1.5, 2.0, 0.5, -1.0)
    head = post("/p", body, protocol.content_type, protocol.headers(body)).partition(b"\r\n\r\n")[0].decode()
    assert f"Inference-Header-Content-Length: {size}" in head.splitlines()


def test_every_form_of_the_targets_is_measured() -> None:
    assert FORMS.keys() == {*VALUES, "csv", "parquet", "encoded", "binary"}
    assert {name: form.targets for name, form in FORMS.items()} == {
        **{name: {1: 0.6, 100: 0.6} for name in VALUES}, "plain": {1: 0.7, 100: 0.6}, "csv": {100: 0.4}, "parquet": {100: 0.4}, "encoded": {1: 0.6, 100: 0.6}, "binary": {1: 0.6, 100: 0.6}
    }  # fmt: skip


def turns(*rates: float) -> list[Turn]:
    return [Turn(rate, 0.5 / rate) for rate in rates]


def line(form: Form, rows: int, *ours: float) -> str:
    reading, hello = turns(1000.0, 2000.0, 1000.0), turns(2000.0, 2000.0, 2000.0)
    figures = FormFigures(form.title, rows, turns(*ours), reading, hello, form.targets.get(rows))
    return tables.forms_table([figures]).splitlines()[2]


def test_the_median_of_the_ratios_of_neighbouring_measurements_decides() -> None:
    met = "| dataframe_split | 100 | 0.60 (0.50 to 0.65) | met: at least 0.6 | 0.60 | 650 | 1,000 | 2,000 | 0.33 |"
    assert line(FORMS["dataframe_split"], 100, 600.0, 1000.0, 650.0) == met
    missed = "| plain records | 1 | 0.60 (0.50 to 0.65) | MISSED: at least 0.7 | 0.60 | 650 | 1,000 | 2,000 | 0.33 |"
    assert line(FORMS["plain"], 1, 600.0, 1000.0, 650.0) == missed


def test_one_row_of_a_file_has_no_target() -> None:
    assert (
        line(FORMS["csv"], 1, 100.0, 200.0, 100.0)
        == "| CSV | 1 | 0.10 (0.10 to 0.10) | - | 0.10 | 100 | 1,000 | 2,000 | 0.05 |"
    )


def test_the_error_for_an_unknown_form_lists_the_known_ones() -> None:
    result = CliRunner().invoke(main, ["--forms", "csv,nothing"])
    assert result.exit_code == 2
    assert "unknown form: nothing" in result.output
    assert all(name in result.output for name in FORMS)
