"""`modelserve score` counts cells with a category that the model has never seen, or rejects their rows."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batches import GOOD
from command_line import CommandLine
from models.library import Library
from serving import release

# The model knows none of twelve of them, and one of these is in a row that is bad for another reason.
CONTRACTS = ["one_year", "monthly", "two_year", "monthly", "ONE_YEAR", "one_year", "none"] * 3 + [None]
ROWS = [GOOD | {"contract": contract} for contract in CONTRACTS]
ROWS[1] |= {"tenure": None}
UNKNOWN = 3 * 4 - 1


@pytest.fixture
def command(models: Library, tmp_path: Path) -> CommandLine:
    release(tmp_path / "store", "churn", models.path("churn"), {}, runtime="compiled")
    return CommandLine(str(tmp_path / "store"))


def write(path: Path) -> Path:
    frame = pd.DataFrame(ROWS)
    if path.suffix == ".jsonl":
        frame.to_json(path, orient="records", lines=True)
    elif path.suffix == ".csv":
        frame.to_csv(path, index=False)
    elif path.stem == "categories":
        frame["contract"] = pd.Categorical(frame["contract"])
        frame.to_parquet(path)
    else:
        pq.write_table(pa.Table.from_pylist(ROWS), path)
    return path


@pytest.mark.parametrize("name", ["texts.parquet", "categories.parquet", "texts.jsonl", "texts.csv"])
def test_cells_with_an_unknown_category_are_counted_where_their_row_is_scored(
    command: CommandLine, tmp_path: Path, name: str
) -> None:
    counts = command.json("score", "churn", write(tmp_path / name), tmp_path / "out.parquet", "--batch-rows", 5)
    assert (counts["failed"], counts["unknown_categories"]) == (2, UNKNOWN)


def test_they_are_shown_and_are_those_of_all_parts(command: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for file in range(2):
        write(tmp_path / "in" / f"{file}.parquet")
    words = ("score", "churn", f"{tmp_path}/in/*.parquet", f"{tmp_path}/out/", "--processes", 2)
    assert f"{2 * UNKNOWN} cells hold a category that the model has never seen" in command(*words).out


@pytest.mark.parametrize("runtime", ["compiled", "native"])
def test_a_column_of_another_form_than_that_of_the_training_is_warned_of(
    command: CommandLine, models: Library, tmp_path: Path, runtime: str
) -> None:
    if runtime == "native":
        release(tmp_path / "store", "churn", models.path("churn"), {})
    (tmp_path / "in").mkdir()
    for file in range(2):
        pq.write_table(pa.Table.from_pylist([GOOD | {"contract": "ONE"}] * 3), tmp_path / "in" / f"{file}.parquet")
    done = command("score", "churn", f"{tmp_path}/in/*.parquet", f"{tmp_path}/out/", "--processes", 2)
    assert (
        "warning: the model has never seen 6 of the 6 texts of contract, such as 'ONE'; one that it knows is"
        in done.err
    )


def test_their_rows_are_bad_where_they_are_to_be_rejected(command: CommandLine, tmp_path: Path) -> None:
    words = ("score", "churn", write(tmp_path / "texts.parquet"), tmp_path / "out.parquet")
    counts = command.json(*words, "--unknown-categories", "reject")
    assert (counts["failed"], counts["unknown_categories"]) == (2 + UNKNOWN, 0)
    assert counts["reasons"]["contract: not a category that the model knows"] == UNKNOWN
    errors = pq.read_table(tmp_path / "out.parquet")["error"].to_pylist()
    assert [error is None for error in errors] == [
        contract in ("one_year", "two_year") and row["tenure"] is not None
        for contract, row in zip(CONTRACTS, ROWS, strict=True)
    ]
