"""`drift` and `evaluate` on files, with a version whose profile is beside it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bucket_server import BucketServer
from command_line import CommandLine
from models.library import Library
from modelserve_control.common.errors import NothingCompared
from modelserve_control.common.progress import Lines
from modelserve_control.monitor.scoring import score_columns
from modelserve_control.monitor.stats.profile import FILE, build_profile, encode_profile
from modelserve_control.registry.catalog import open_store
from serving import release
from stores import put, tiny

ROWS = 600


def inputs(shift: float = 0.0) -> dict[str, Any]:
    random = np.random.default_rng(1)
    return {"miles": random.normal(shift, 1, ROWS), "place": random.choice(["a", "b"], ROWS).tolist()}


@pytest.fixture
def command(tmp_path: Path) -> CommandLine:
    """Version 1 of `rides` has a profile, and version 2 has none."""
    store = tmp_path / "store"
    with open_store(str(store), new=True) as objects:
        for name in ("with", "without"):
            directory = tiny(tmp_path / name)
            if name == "with":
                profile = build_profile(inputs(), {"prediction": inputs()["miles"] * 10}, ROWS)
                (directory / FILE).write_bytes(encode_profile(profile))
            put(objects, "rides", directory)
    found = CommandLine(str(store))
    found("promote", "rides", "1")
    return found


def log_rows(days: int, shift: float = 0.0) -> list[dict[str, Any]]:
    """Version 2 answers in the second half of each day."""
    table = inputs(shift)
    return [
        {
            "prediction_id": f"{day}-{row}",
            "model": "rides",
            "version": "1" if row < ROWS // 2 else "2",
            "time": f"2026-03-{day + 1:02}T{row * 24 // ROWS:02}:00:00",
            "inputs": json.dumps({"miles": table["miles"][row], "place": table["place"][row]}),
            "answer": json.dumps({"minutes": table["miles"][row] * 10}),
        }
        for day in range(days)
        for row in range(ROWS)
    ]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def test_drift_is_the_exit_status_and_names_its_columns(command: CommandLine, tmp_path: Path) -> None:
    for place, shift in enumerate((0.0, 1.0)):
        pq.write_table(pa.table(inputs(shift)), tmp_path / f"{place}.parquet")
    same = command.json("drift", "rides", "--no-score", "--data", tmp_path / "0.parquet")
    assert (same["drift"], same["version"], same["windows"][0]["rows"]) == (False, "1", ROWS)
    found = command.json("drift", "rides", "--against", "1", "--no-score", "--data", tmp_path / "1.parquet", code=3)
    assert found["windows"][0]["drifted"] == ["miles"]
    words = ("drift", "rides", "--no-score", "--data", tmp_path / "1.parquet", "--html", tmp_path / "d.html")
    assert "miles (ks, psi)" in command(*words, code=3).out
    page = (tmp_path / "d.html").read_text()
    assert page.count("<svg") == 2  # of two columns; one window has no chart of windows
    assert "miles: profile (grey) and now" in page
    assert command.json(*words, code=1)["error_code"] == "OUTPUT_EXISTS"
    both = command.json("drift", "rides", "--no-score", "--data", tmp_path / "*.parquet", code=3)
    assert both["windows"][0]["rows"] == 2 * ROWS
    assert (
        command.json("drift", "rides", "--against", "2", "--data", tmp_path / "1.parquet", code=1)["error_code"]
        == "NO_PROFILE"
    )


def test_the_log_is_cut_into_days_and_each_is_compared(command: CommandLine, tmp_path: Path) -> None:
    rows = log_rows(3) + [row | {"prediction_id": "late" + row["prediction_id"]} for row in log_rows(1, shift=1.0)]
    for row in rows[3 * ROWS :]:
        row["time"] = row["time"].replace("2026-03-01", "2026-03-09")
    # Half of a day is missing, what was delivered twice counts once, and another model's rows are not its own.
    kept = rows[: ROWS + ROWS // 2] + rows[2 * ROWS :] + rows[:50] + [rows[0] | {"model": "other"}]
    for place, row in enumerate(rows[:ROWS]):
        row["unknown_categories"] = 2 if place % 4 == 0 else 0
    for day in ("2026-03-01", "2026-03-02", "2026-03-03", "2026-03-09"):
        write(tmp_path / "log" / f"day={day}" / "a.parquet", [row for row in kept if row["time"].startswith(day)])
    words = ("drift", "rides", "--data", tmp_path / "log", "--window", "day")
    found = command.json(*words, code=3)
    windows = {window["window"]: window for window in found["windows"]}
    assert {name: window["rows"] for name, window in windows.items()} == {
        "2026-03-01": ROWS,
        "2026-03-02": ROWS // 2,
        "2026-03-03": ROWS,
        "2026-03-09": ROWS,
    }
    assert [name for name, window in windows.items() if window["drift"]] == ["2026-03-09"]
    assert windows["2026-03-09"]["drifted"] == ["miles", "prediction"]
    assert windows["2026-03-01"]["predictions"]["prediction"]["tests"]["ks"]["effect"] < 0.1
    # The files of the other days are older, and have no such column.
    shares = {name: window["unknown_categories"] for name, window in windows.items()}
    assert shares == {"2026-03-01": 0.25, "2026-03-02": None, "2026-03-03": None, "2026-03-09": None}
    assert "2026-03-01: 600 rows, no drift; 25 % of the rows hold a category" in command(*words, code=3).out


def test_labels_are_joined_by_day_and_version(command: CommandLine, tmp_path: Path) -> None:
    log = log_rows(2)
    truth = [
        {
            "ride": row["prediction_id"],
            "minutes": json.loads(row["answer"])["minutes"] + (1.0 if row["version"] == "1" else -3.0),
        }
        for row in log[: ROWS + ROWS // 2]
    ]
    write(tmp_path / "log.parquet", log)
    # The first of two labels was wrong, and one belongs to no prediction.
    labels = write(
        tmp_path / "labels.parquet", [truth[0] | {"minutes": 1e6}, *truth, {"ride": "never", "minutes": 1.0}]
    )
    words = ("rides", "--log", tmp_path / "log.parquet", "--labels", labels, "--key", "ride", "--target", "minutes")
    found = command.json("evaluate", *words)
    counts = {key: found[key] for key in ("labels", "repeated", "unknown", "joined", "predictions", "unlabelled")}
    assert counts == {
        "labels": ROWS + ROWS // 2 + 2,
        "repeated": 1,
        "unknown": 1,
        "joined": ROWS + ROWS // 2,
        "predictions": 2 * ROWS,
        "unlabelled": ROWS // 2,
    }
    parts = {(one["window"], one["version"]): one["figures"] for one in found["parts"]}
    assert parts.keys() == {("2026-03-01", "1"), ("2026-03-01", "2"), ("2026-03-02", "1")}
    assert parts["2026-03-01", "1"] == pytest.approx({"rmse": 1.0, "mae": 1.0, "bias": -1.0})
    assert parts["2026-03-01", "2"] == pytest.approx({"rmse": 3.0, "mae": 3.0, "bias": 3.0})
    reports = ("--html", tmp_path / "e.html", "--markdown", tmp_path / "e.md")
    assert command("evaluate", *words, *reports).out.count("2026-03-0") == 3
    assert (tmp_path / "e.html").read_text().count("<svg") == 4  # three figures, and the errors
    assert "| 2026\\-03\\-01 | 1 | 300 |" in (tmp_path / "e.md").read_text()
    wrong = command.json("evaluate", *words[:-3], "minutes", "--target", "minutes", code=1)
    assert wrong["error_code"] == "NOTHING_COMPARED"
    assert "--key" in wrong["message"]
    assert "no column id" in command("evaluate", *words[:-3], "id", "--target", "minutes", code=2).err


@pytest.mark.parametrize("kind", [pa.int64(), pa.float64(), pa.string()])
def test_an_id_that_is_a_whole_number_joins_whatever_its_column_is(
    command: CommandLine, tmp_path: Path, kind: pa.DataType
) -> None:
    first = 2**53 if kind != pa.float64() else 1
    log = [row | {"caller_id": str(first + place)} for place, row in enumerate(log_rows(1))]
    write(tmp_path / "log.parquet", log)
    ids = [*(first + place for place in range(ROWS)), None]
    values = [None if id is None else str(id) for id in ids] if kind == pa.string() else ids
    table = pa.table({"ride": pa.array(values, kind), "minutes": [1.0] * len(ids)})
    pq.write_table(table, tmp_path / "labels.parquet")
    words = ("--log", tmp_path / "log.parquet", "--labels", tmp_path / "labels.parquet", "--key", "ride")
    found = command.json("evaluate", "rides", *words, "--target", "minutes")
    assert (found["joined"], found["unknown"], found["repeated"]) == (ROWS, 0, 0)


def test_times_are_read_as_bigquery_exports_them_and_numbers_are_none(command: CommandLine, tmp_path: Path) -> None:
    at = [f"2026-03-0{day} 10:00:00 UTC" for day in (1, 2) for _ in range(ROWS // 2)]
    pq.write_table(pa.table(inputs() | {"at": at, "epoch": list(range(ROWS))}), tmp_path / "rows.parquet")
    words = ("drift", "rides", "--no-score", "--data", tmp_path / "rows.parquet", "--window", "day", "--time")
    windows = command.json(*words, "at")["windows"]
    assert [(window["window"], window["rows"]) for window in windows] == [
        ("2026-03-01", ROWS // 2),
        ("2026-03-02", ROWS // 2),
    ]
    assert "The column epoch holds numbers, not times" in command(*words, "epoch", code=2).err
    assert "The column place is not a time" in command(*words, "place", code=2).err
    assert "There is no column when" in command(*words, "when", code=2).err


def test_a_pattern_names_objects_of_a_bucket(
    command: CommandLine, gcs: BucketServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs.url)
    bucket = gcs.bucket("rows")
    pq.write_table(pa.table(inputs()), tmp_path / "rows.parquet")
    with open_store(bucket) as objects:
        for name in ("log/day=1/a.parquet", "log/day=2/b.parquet", "log/_SUCCESS", "other/c.parquet"):
            objects.create(name, tmp_path / "rows.parquet", lambda size: None)
    there = replace(command, environment={"STORAGE_EMULATOR_HOST": gcs.url})
    for pattern in ("log/**/*.parquet", "log/"):
        found = there.json("drift", "rides", "--no-score", "--data", f"{bucket}/{pattern}")
        assert found["windows"][0]["rows"] == 2 * ROWS
    assert there.json("drift", "rides", "--data", f"{bucket}/none/*", code=1)["error_code"] == "NOT_FOUND"


def test_rows_of_which_none_fits_are_no_rows_without_drift(models: Library, tmp_path: Path) -> None:
    release(tmp_path / "store", "churn", models.path("churn"), {}, runtime="compiled")
    address = f"{tmp_path}/store/models/churn@champion"
    columns = {"contract": [1, 2], "tenure": np.array([1, 2]), "monthlycharges": np.array([1.0, 2.0])}
    with pytest.raises(
        NothingCompared, match=r"None of the 2 rows can be scored: .*contract: an integer, needs string\.$"
    ):
        score_columns(address, "strict", columns, 2, Lines())


def test_a_path_that_does_not_exist_is_said_to_be_missing(command: CommandLine, tmp_path: Path) -> None:
    refused = command.json("drift", "rides", "--data", tmp_path / "log", code=1)
    assert refused["message"] == f"There is no file or directory {tmp_path / 'log'}."


def test_files_that_score_has_written_are_compared_and_measured(models: Library, tmp_path: Path) -> None:
    release(tmp_path / "store", "churn", models.path("churn"), {"label": "churn"}, runtime="compiled")
    random = np.random.default_rng(1)
    contracts = random.choice(["month-to-month", "one_year", "two_year"], ROWS)
    table = {
        "customer": list(range(ROWS)),
        "contract": contracts,
        "tenure": random.integers(1, 72, ROWS),
        "monthlycharges": random.uniform(20, 120, ROWS),
    }
    pq.write_table(pa.table(table), tmp_path / "rows.parquet")
    command = CommandLine(str(tmp_path / "store"))
    command("score", "churn", tmp_path / "rows.parquet", tmp_path / "scored.parquet")
    scored = pq.read_table(tmp_path / "scored.parquet")
    assert "contract" not in scored.column_names
    labels = pa.table({"customer": scored["customer"], "left": scored[scored.column_names[1]]}).slice(0, 200)
    pq.write_table(labels, tmp_path / "labels.parquet")
    words = ("evaluate", "churn", "--log", tmp_path / "scored.parquet", "--labels", tmp_path / "labels.parquet")
    found = command.json(*words, "--key", "customer", "--target", "left")
    assert (found["joined"], found["unlabelled"], found["all"]["figures"]["accuracy"]) == (200, ROWS - 200, 1.0)
    assert [(part["window"], part["version"], part["rows"]) for part in found["parts"]] == [("all", "1", 200)]
    assert (
        "`modelserve score --keep id` carries it over" in command(*words, "--key", "id", "--target", "left", code=2).err
    )
