"""`modelserve score` of many files: parts, ids, what is kept, and what stays when it is killed."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bucket_server import BucketServer
from command_line import CommandLine
from models.library import Library
from modelserve.store.buckets.open import open_objects
from modelserve.store.names.locations import parse_store
from modelserve_control.batch.parts.run import sole_writer
from modelserve_control.common import processes
from serving import release
from stores import NUMBERS

KILLER = Path(__file__).with_name("killed_batch.py")
POINTS = 20


@pytest.fixture
def command(models: Library, tmp_path: Path) -> CommandLine:
    release(tmp_path / "store", "churn", models.path("churn"), {}, runtime="compiled")
    return CommandLine(str(tmp_path / "store"))


def write_customers(directory: Path, files: int, rows: int, group: int | None = None) -> None:
    """Some of them bad. `contract` is pandas' Categorical, with other categories in each file."""
    directory.mkdir(exist_ok=True)
    for file in range(files):
        contracts = [f"{('month-to-month', 'one_year', 'two_year', f'other{file}')[row % 4]}" for row in range(rows)]
        frame = pd.DataFrame(
            {
                "customer": [f"{file}-{row}" for row in range(rows)],
                "contract": pd.Categorical(contracts),
                "tenure": [None if row % 50 == 7 else row % 73 for row in range(rows)],
                "monthlycharges": [20.0 + row % 1009 / 10 for row in range(rows)],
            }
        )
        pq.write_table(pa.Table.from_pandas(frame), directory / f"{file}.parquet", row_group_size=group)


def contents(directory: Path) -> Mapping[str, str]:
    """The digest of each file."""
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def test_files_and_runs_of_row_groups_are_parts_that_any_number_of_processes_scores_alike(
    command: CommandLine, tmp_path: Path
) -> None:
    write_customers(tmp_path / "in", 2, 300, 50)
    (tmp_path / "in" / "more").mkdir()
    (tmp_path / "in" / "more" / "last.csv").write_text("customer,contract,tenure,monthlycharges\nx,one_year,1,2\n")
    (tmp_path / "in" / "_notes.csv").write_text("no data\n")
    words = ("score", "churn", "--input", tmp_path / "in" / "**" / "*")
    alone = command.json(*words, "--output", f"{tmp_path}/one/", "--processes", 1)
    pooled = command.json(*words, "--output", f"{tmp_path}/two/", "--processes", 2)
    counted = {name: alone[name] for name in ("rows", "scored", "failed", "parts", "reasons")}
    assert counted == {name: pooled[name] for name in counted}
    assert counted == {
        "rows": 601,
        "scored": 589,
        "failed": 12,
        "parts": 3,
        "reasons": {"tenure: null in a required column": 12},
    }
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert set(contents(tmp_path / "one")) == {"0.parquet", "1.parquet", "more/last.parquet", "_SUCCESS"}
    rows = pq.read_table(tmp_path / "one" / "1.parquet").to_pylist()
    assert [row["customer"] for row in rows] == [f"1-{row}" for row in range(300)]
    assert rows[7]["error"] == "tenure: null in a required column"
    single = command.json("score", "churn", tmp_path / "in" / "1.parquet", tmp_path / "single.parquet")
    assert single["rows"] == 300
    assert pq.read_table(tmp_path / "single.parquet").to_pylist() == rows


def test_a_column_that_has_nulls_alone_in_some_files_is_carried_over(command: CommandLine, tmp_path: Path) -> None:
    write_customers(tmp_path / "in", 2, 10)
    for file, fees in enumerate([pa.nulls(10), pa.array([1.5] * 10)]):
        table = pq.read_table(tmp_path / "in" / f"{file}.parquet").append_column("fee", fees)
        pq.write_table(table, tmp_path / "in" / f"{file}.parquet")
    words = ("score", "churn", f"{tmp_path}/in/*.parquet", f"{tmp_path}/out/", "--processes", 1)
    command.json(*words)
    assert {str(pq.read_schema(tmp_path / "out" / f"{file}.parquet").field("fee").type) for file in (0, 1)} == {
        "double"
    }
    pq.write_table(table.drop_columns("fee"), tmp_path / "in" / "1.parquet")
    assert "has no column fee" in command(*words, "--overwrite", code=2).err


def test_a_whole_output_is_replaced_only_when_asked_and_foreign_files_never(
    command: CommandLine, tmp_path: Path
) -> None:
    write_customers(tmp_path / "in", 2, 20)
    words = ("score", "churn", f"{tmp_path}/in/*.parquet", f"{tmp_path}/out/")
    command.json(*words, "--processes", 1)
    before = contents(tmp_path / "out")
    assert command.json(*words, code=1)["error_code"] == "OUTPUT_EXISTS"
    same = command.json(*words, "--overwrite", "--processes", 1)
    assert (same["rows"], same["rows_per_second"]) == (40, 0)  # its parts are there already
    command.json(*words, "--overwrite", "--keep", "customer", "--processes", 1)
    assert contents(tmp_path / "out").keys() == before.keys()
    (tmp_path / "in" / "1.parquet").unlink()
    command.json(*words, "--overwrite")
    assert set(contents(tmp_path / "out")) == {"0.parquet", "_SUCCESS"}
    pq.write_table(pa.table({"x": [1]}), tmp_path / "out" / "mine.parquet")
    assert "mine.parquet that no batch has written" in command.json(*words, "--overwrite", code=1)["message"]
    assert (tmp_path / "out" / "mine.parquet").exists()


def test_parts_that_have_changed_are_replaced_only_when_asked_and_those_without_predictions_always(
    command: CommandLine, tmp_path: Path
) -> None:
    write_customers(tmp_path / "in", 2, 20)
    good = (tmp_path / "in" / "0.parquet").read_bytes()
    pq.write_table(pq.read_table(tmp_path / "in" / "0.parquet").slice(7, 1), tmp_path / "in" / "0.parquet")
    (tmp_path / "in" / "1.parquet").rename(tmp_path / "1.parquet")
    words = ("score", "churn", f"{tmp_path}/in/*.parquet", f"{tmp_path}/out/", "--processes", 1)
    assert command.json(*words, code=1)["failed"] == 1
    assert "_SUCCESS" not in contents(tmp_path / "out")
    (tmp_path / "in" / "0.parquet").write_bytes(good)
    assert command.json(*words)["scored"] == 19
    (tmp_path / "out" / "_SUCCESS").unlink()  # as when the batch was killed before its end
    changed = command.json(*words, "--id", "ride={row}", code=1)["message"]
    assert "0.parquet was made from other rows, another version or other options: score again with --over" in changed
    (tmp_path / "in" / "0.parquet").rename(tmp_path / "in" / "2.parquet")
    assert "0.parquet is of another batch: score again with --overwrite" in command.json(*words, code=1)["message"]


def test_only_one_batch_writes_into_a_directory(command: CommandLine, tmp_path: Path) -> None:
    write_customers(tmp_path / "in", 1, 10)
    words = ("score", "churn", f"{tmp_path}/in/", f"{tmp_path}/out/")
    with sole_writer(f"{tmp_path}/out/"):
        refused = command.json(*words, code=1)
    assert refused["error_code"] == "OUTPUT_IN_USE"
    holder = f"process {os.getpid()}" if Path("/proc/locks").exists() else "Another batch"
    assert f"{holder} writes into {tmp_path}/out/: wait until it ends, stop it, or name another" in refused["message"]
    assert command.json(*words)["rows"] == 10


def test_too_many_errors_and_none_scored_leave_no_success(command: CommandLine, tmp_path: Path) -> None:
    write_customers(tmp_path / "in", 2, 100)
    words = ("score", "churn", f"{tmp_path}/in/", f"{tmp_path}/out/")
    assert command.json(*words, "--max-errors", 3, code=1)["error_code"] == "TOO_MANY_ERRORS"
    assert contents(tmp_path / "out") == {}
    pq.write_table(
        pa.table({"contract": ["one_year"], "tenure": [0.5], "monthlycharges": [1.0]}), tmp_path / "bad.parquet"
    )
    assert command.json("score", "churn", tmp_path / "bad.parquet", f"{tmp_path}/bad/", code=1)["failed"] == 1
    assert set(contents(tmp_path / "bad")) == {"bad.parquet"}
    told = command("score", "churn", tmp_path / "bad.parquet", tmp_path / "bad-too.parquet", code=1)
    assert "1 row: tenure: has a fraction, needs long" in told.out


def test_ids_that_repeat_are_said(command: CommandLine, tmp_path: Path) -> None:
    write_customers(tmp_path / "in", 2, 3)
    words = ("score", "churn", "--id", "call={row}", "--processes", 1)
    repeats = "{row} counts anew in each of 2 files, so call repeats"
    assert repeats in command(*words, f"{tmp_path}/in/", f"{tmp_path}/out/").err
    assert repeats not in command(*words, f"{tmp_path}/in/0.parquet", f"{tmp_path}/one/").err


def test_misuse_says_what_to_do(command: CommandLine, tmp_path: Path) -> None:
    write_customers(tmp_path / "in", 1, 5)
    file, out = f"{tmp_path}/in/0.parquet", f"{tmp_path}/out/"
    for words, sentence in {
        (f"{tmp_path}/in/*.parquet", f"{tmp_path}/x.parquet"): "ends with /",
        (f"{tmp_path}/{{year}}/*.parquet", out): "--month 2022-03",
        (file, out, "--month", "2022-13"): "a year and a month",
        (file, out, "--keep", "nothing"): "has no such column; it has customer",
        (file, out, "--id", "ride_id={year}"): "--month",
        (file, out, "--id", "ride_id=x"): "a pattern with {row}",
        (file, out, "--id", "ride_id={year:04d}_{row}"): "which nothing fills; it may have {year}, {month}, {row}.",
        (file,): "Name INPUT and OUTPUT once",
        (file, out, "--keep", "version"): "has a column of that name",
    }.items():
        assert sentence in command("score", "churn", *words, code=2).err


def test_the_taxi_job_of_the_tutorials(
    gcs: BucketServer, models: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs.url)
    trips, scores = (gcs.bucket(f"taxi-{next(NUMBERS)}") for _ in range(2))
    presented = {"label": "predicted_duration"}
    release(tmp_path / "store", "ride_duration", models.path("ride_duration"), presented, runtime="compiled")
    began = datetime(2022, 3, 1)
    times = pa.array([began + timedelta(minutes=row) for row in range(100)], pa.timestamp("us"))
    table = pa.table(
        {
            "lpep_pickup_datetime": times,
            "lpep_dropoff_datetime": times,
            "PULocationID": pa.array([None if row == 3 else 130.0 for row in range(100)], pa.float64()),
            "DOLocationID": pa.array([205] * 100, pa.int64()),
            "trip_distance": [3.66] * 100,
            "ehail_fee": pa.nulls(100),
        }
    )
    pq.write_table(table, tmp_path / "green.parquet", row_group_size=40)
    files, results = open_objects(parse_store(trips)), open_objects(parse_store(scores))
    files.create("green/2022-03/green.parquet", tmp_path / "green.parquet")
    command = CommandLine(str(tmp_path / "store"), {"STORAGE_EMULATOR_HOST": gcs.url})
    words = ["--input", f"{trips}/green/{{year}}-{{month}}/*.parquet", "--output", f"{scores}/{{year}}/{{month}}/"]
    words += ["--month", "2022-03", "--id", "ride_id={year}/{month}_{row}", "--keep", "lpep_pickup_datetime"]
    counts = command.json("score", "ride_duration", *words)
    assert (counts["rows"], counts["failed"], counts["parts"]) == (100, 1, 1)
    assert {info.name for info in results.list("")} == {"2022/03/green.parquet", "2022/03/_SUCCESS"}
    info = results.stat("2022/03/green.parquet")
    assert info is not None
    with (tmp_path / "copy.parquet").open("wb") as copy:
        results.read_range(info, 0, info.size, copy.write)
    found = pq.read_table(tmp_path / "copy.parquet")
    assert found.schema.names == ["ride_id", "lpep_pickup_datetime", "predicted_duration", "model", "version", "error"]
    rows = found.to_pylist()
    assert [row["ride_id"] for row in rows] == [f"2022/03_{row}" for row in range(100)]
    assert rows[3]["error"] == "PULocationID: null in a required column"
    assert rows[0]["predicted_duration"] > 0
    files.close()
    results.close()


def test_a_batch_killed_at_twenty_points_leaves_nothing_half_and_ends_alike(
    command: CommandLine, tmp_path: Path
) -> None:
    write_customers(tmp_path / "in", 4, 50)
    options = {"model": "churn", "source": f"{tmp_path}/in/*.parquet", "store": str(tmp_path / "store"), "processes": 1}
    done = subprocess.run(
        [sys.executable, str(KILLER), json.dumps(options), str(tmp_path), str(POINTS)],
        env=processes.with_sources(os.environ),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    states: list[Any] = json.loads(done.stdout)
    undisturbed = contents(tmp_path / "undisturbed")
    assert len(states) == POINTS
    assert len({len(state) for state in states}) > 2, "not all were killed at the same place"
    for place, state in enumerate(states):
        assert state.items() <= undisturbed.items(), "what a killed batch leaves is whole"
        assert "_SUCCESS" not in state or state == undisturbed
        assert contents(tmp_path / f"killed-{place}") == undisturbed
