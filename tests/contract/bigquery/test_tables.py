"""`modelserve score` from tables of BigQuery and into them, with Google's clients as they are."""

from __future__ import annotations

import json
import signal
import subprocess
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.message import Message
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.cloud.bigquery import SchemaField, Table

from command_line import CommandLine
from contract.bigquery.conftest import BigQuery
from http_server import GONE, WAIT_SECONDS, Answer, answering, passed
from models.library import Library
from modelserve_control.common.progress import Lines
from modelserve_control.monitor.tables import read_columns
from serving import release

CUSTOMERS = [
    SchemaField("row", "INT64"),
    SchemaField("contract", "STRING"),
    SchemaField("tenure", "INT64"),
    SchemaField("monthlycharges", "NUMERIC"),
    SchemaField("day", "DATE"),
    SchemaField("tags", "STRING", mode="REPEATED"),
]
ROWS = 300


def customers(rows: int = ROWS) -> pa.Table:
    """Some of them bad."""
    return pa.table(
        {
            "row": list(range(rows)),
            "contract": [("month-to-month", "one_year", "two_year")[row % 3] for row in range(rows)],
            "tenure": [None if row % 50 == 7 else row % 73 for row in range(rows)],
            "monthlycharges": pa.array([Decimal(2000 + row) / 100 for row in range(rows)], pa.decimal128(38, 9)),
            "day": pa.array([19_000 + row for row in range(rows)], pa.date32()),
            "tags": [["a", "b"][: row % 3] for row in range(rows)],
        }
    )


@pytest.fixture
def command(models: Library, server: BigQuery, tmp_path: Path) -> CommandLine:
    release(tmp_path / "store", "churn", models.path("churn"), {}, runtime="compiled")
    return CommandLine(str(tmp_path / "store"), server.environment)


@pytest.fixture
def table(server: BigQuery, dataset: str, tmp_path: Path) -> str:
    return server.load(tmp_path / "customers.parquet", dataset, "customers", CUSTOMERS, customers())


def test_a_table_is_scored_into_a_table_as_its_file_into_a_file(
    command: CommandLine, server: BigQuery, dataset: str, table: str, tmp_path: Path
) -> None:
    output = server.address(dataset, "scored")
    counts = command.json("score", "churn@champion", "--input", table, "--output", output)
    assert (counts["rows"], counts["failed"], counts["output"]) == (ROWS, 6, output)
    assert counts["reasons"] == {"tenure: null in a required column": 6}
    command.json("score", "churn", tmp_path / "customers.parquet", tmp_path / "scored.parquet")
    expected = sorted(pq.read_table(tmp_path / "scored.parquet").to_pylist(), key=lambda row: str(row["row"]))
    assert server.rows(dataset, "scored") == expected
    kinds = {
        field.name: (field.field_type, field.mode) for field in server.client.get_table(f"{dataset}.scored").schema
    }
    assert kinds["day"] == ("DATE", "NULLABLE")
    assert kinds["tags"] == ("STRING", "REPEATED")
    assert server.tables(dataset) == {"customers", "scored"}


def test_a_table_is_replaced_only_when_asked_and_then_by_the_same(
    command: CommandLine, server: BigQuery, dataset: str, table: str
) -> None:
    words = ("score", "churn", table, server.address(dataset, "scored"), "--keep", "row")
    command.json(*words)
    first = server.rows(dataset, "scored")
    assert command.json(*words, code=1)["error_code"] == "OUTPUT_EXISTS"
    command.json(*words, "--overwrite")
    assert server.rows(dataset, "scored") == first


def test_a_file_becomes_a_table_and_a_table_a_directory_of_its_streams(
    command: CommandLine, server: BigQuery, dataset: str, tmp_path: Path
) -> None:
    rows = customers(40).append_column("when", pa.array([row * 1000 for row in range(40)], pa.timestamp("ns")))
    (tmp_path / "in").mkdir()
    for file in range(2):
        pq.write_table(rows.slice(file * 20, 20), tmp_path / "in" / f"{file}.parquet")
    words = ("score", "churn", f"{tmp_path}/in/*.parquet", server.address(dataset, "scored"), "--id", "id={row}")
    assert command.json(*words, "--processes", 2)["parts"] == 2
    found = server.rows(dataset, "scored")
    assert [row["id"] for row in found] == [str(row["row"] % 20) for row in found]
    assert [row["when"].microsecond for row in found] == [row["row"] for row in found]
    table = server.load(tmp_path / "again.parquet", dataset, "customers", CUSTOMERS, customers(40))
    counts = command.json("score", "churn", table, f"{tmp_path}/out/", "--processes", 2)
    assert counts["rows"] == 40
    assert sorted(pq.read_table(tmp_path / "out")["row"].to_pylist()) == list(range(40))
    command.json("score", "churn", table, tmp_path / "one.parquet")
    assert pq.read_table(tmp_path / "one.parquet").num_rows == 40


def test_an_empty_table_becomes_an_empty_table(command: CommandLine, server: BigQuery, dataset: str) -> None:
    server.client.create_table(Table(f"project.{dataset}.customers", schema=CUSTOMERS))
    counts = command.json("score", "churn", server.address(dataset, "customers"), server.address(dataset, "scored"))
    assert (counts["rows"], counts["parts"]) == (0, 0)
    assert server.rows(dataset, "scored") == []
    assert "prediction" in {field.name for field in server.client.get_table(f"{dataset}.scored").schema}


def test_a_batch_of_which_bad_rows_are_too_many_changes_nothing(
    command: CommandLine, server: BigQuery, dataset: str, table: str, tmp_path: Path
) -> None:
    old = server.load(tmp_path / "old.parquet", dataset, "old", CUSTOMERS, customers())
    words = ("score", "churn", table, old, "--overwrite", "--max-errors", 3)
    assert command.json(*words, code=1)["error_code"] == "TOO_MANY_ERRORS"
    assert server.client.get_table(f"{dataset}.old").schema == CUSTOMERS
    assert server.tables(dataset) == {"customers", "old"}


def test_a_job_whose_answer_was_lost_is_done_once(
    models: Library, server: BigQuery, dataset: str, table: str, tmp_path: Path
) -> None:
    """The server has copied when the connection ends, and Google's client asks again. A job of the same id is a conflict, as in
    BigQuery; the emulator would do it twice, and has ids of its own for uploads."""
    url, dropped, jobs = server.environment["BIGQUERY_EMULATOR_HOST"], [], []

    def drop_first(method: str, path: str, headers: Message, body: bytes) -> Answer:
        if method != "POST" or "/jobs" not in path:
            return passed(url, method, path, headers, body)
        job = json.loads(body)["jobReference"]["jobId"]
        if job in jobs:
            error = {"code": 409, "message": f"Already Exists: Job {job}", "errors": [{"reason": "duplicate"}]}
            return 409, {"content-type": "application/json"}, json.dumps({"error": error}).encode()
        jobs.append(job)
        answer = passed(url, method, path, headers, body)
        if b'"copy"' not in body:
            return answer
        dropped.append(answer[0])
        return GONE

    with answering(drop_first) as proxy:
        command = CommandLine(str(tmp_path / "store"), {**server.environment, "BIGQUERY_EMULATOR_HOST": proxy})
        release(tmp_path / "store", "churn", models.path("churn"), {}, runtime="compiled")
        command.json("score", "churn", table, server.address(dataset, "scored"))
    assert dropped == [200]
    assert [row["row"] for row in server.rows(dataset, "scored")] == sorted(range(ROWS), key=str)
    assert server.tables(dataset) == {"customers", "scored"}
    assert [job.rpartition("_")[2] for job in jobs] == ["0", "copy"]
    assert len({job.rpartition("_")[0] for job in jobs}) == 1, "of one run"


def test_a_table_that_is_written_is_a_success_also_where_nothing_can_be_removed(
    models: Library, server: BigQuery, dataset: str, table: str, tmp_path: Path
) -> None:
    release(tmp_path / "store", "churn", models.path("churn"), {}, runtime="compiled")
    url, refused = server.environment["BIGQUERY_EMULATOR_HOST"], []

    def refuse_delete(method: str, path: str, headers: Message, body: bytes) -> Answer:
        if method != "DELETE":
            return passed(url, method, path, headers, body)
        refused.append(path)
        error = {"code": 403, "message": "Access Denied", "errors": [{"reason": "accessDenied"}]}
        return 403, {"content-type": "application/json"}, json.dumps({"error": error}).encode()

    with answering(refuse_delete) as proxy:
        command = CommandLine(str(tmp_path / "store"), {**server.environment, "BIGQUERY_EMULATOR_HOST": proxy})
        done = command("score", "churn", table, server.address(dataset, "scored"))
    assert len(refused) == 1
    (left,) = server.tables(dataset) - {"customers", "scored"}
    assert f"the staging table {left} could not be removed" in done.err
    assert len(server.rows(dataset, "scored")) == ROWS


@pytest.mark.parametrize("at", ["uploadType", "copy"])
def test_a_batch_that_is_killed_leaves_the_table_as_it_was(
    models: Library, server: BigQuery, dataset: str, table: str, tmp_path: Path, at: str
) -> None:
    release(tmp_path / "store", "churn", models.path("churn"), {}, runtime="compiled")
    url, made, changed = server.environment["BIGQUERY_EMULATOR_HOST"], [], []
    process: list[subprocess.Popen[str]] = []

    def kill(method: str, path: str, headers: Message, body: bytes) -> Answer:
        if method == "POST" and path.partition("?")[0].endswith("/tables"):
            made.append(json.loads(body))
        if method == "PATCH":
            changed.append(json.loads(body))
        if method == "POST" and "/jobs" in path and at.encode() in path.encode() + body:
            process[0].kill()
            return GONE
        return passed(url, method, path, headers, body)

    old = server.load(tmp_path / "old.parquet", dataset, "old", CUSTOMERS, customers())
    words = ("score", "churn", table, old, "--overwrite")
    with answering(kill) as proxy:
        command = CommandLine(str(tmp_path / "store"), {**server.environment, "BIGQUERY_EMULATOR_HOST": proxy})
        with command.started(*words) as started:
            process.append(started)
            started.communicate(timeout=WAIT_SECONDS)
    assert started.returncode == -signal.SIGKILL
    assert server.client.get_table(f"{dataset}.old").schema == CUSTOMERS
    assert len(server.rows(dataset, "old")) == ROWS
    (staging,) = made
    assert server.tables(dataset) == {"customers", "old", staging["tableReference"]["tableId"]}
    expires = datetime.fromtimestamp(int(staging["expirationTime"]) / 1000, UTC)  # which the emulator does not keep
    assert timedelta(hours=23) < expires - datetime.now(UTC) < timedelta(hours=25), "what is left goes by itself"
    assert changed == ([{"expirationTime": None}] if at == "copy" else []), "a copy may expire with its source"


def test_what_is_not_there_or_not_a_table_is_refused_before_a_row_is_scored(
    command: CommandLine, server: BigQuery, dataset: str, table: str, tmp_path: Path
) -> None:
    out = tmp_path / "out.parquet"
    assert command.json("score", "churn", server.address(dataset, "none"), out, code=1)["error_code"] == "NOT_FOUND"
    missing = command.json("score", "churn", table, "bq://project.none.scored", code=1)
    assert (missing["error_code"], "none" in missing["message"]) == ("NOT_FOUND", True)
    for words, part in {
        ("bq://dataset.customers", out): "bq://PROJECT.DATASET.TABLE",
        (table, out, "--id", "id={row}"): "has no order",
        (table, f"{tmp_path}/out/", "--runner", "DirectRunner"): "is a table",
    }.items():
        assert part in command("score", "churn", *words, code=2).err


def test_drift_and_evaluate_read_tables(server: BigQuery, dataset: str, tmp_path: Path) -> None:
    """The columns are those of a file of the same rows."""
    address = server.load(tmp_path / "customers.parquet", dataset, "customers", CUSTOMERS, customers())
    with pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment.items():
            patch.setenv(name, value)
        found, rows = read_columns([address, address], Lines())
    expected, _ = read_columns([str(tmp_path / "customers.parquet")] * 2, Lines())
    assert rows == 2 * ROWS
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        assert list(map(str, found[name])) == list(map(str, values))
