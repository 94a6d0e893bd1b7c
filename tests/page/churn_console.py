"""What the tests of the console share: a store, a log, a server of Pub/Sub, and one console that reads them."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from command_line import CommandLine, finish
from modelserve_control.local import resources
from pubsub_host import NAMES, serve_in_thread
from serving import release

if TYPE_CHECKING:
    from models.library import Library  # imports mlflow, which takes seconds

ROWS = 300
ACCOUNT = {"CLOUDSDK_CORE_ACCOUNT": "ana@example.com"}  # whom the history names
RETRAINED = {
    "id": "20260301T180000Z-retrain-1a2b",
    "started_at": "2026-03-01T18:00:00Z",
    "alias": "champion",
    "steps": [{"step": "train"}, {"step": "publish", "version": "2"}],
    "outcome": "released",
    "why": "its AUC fell",
}


def make_rows(seed: int, dearer: float = 0.0) -> pa.Table:
    random = np.random.default_rng(seed)
    return pa.table(
        {
            "contract": random.choice(["month-to-month", "one_year", "two_year"], ROWS),
            "tenure": random.integers(1, 72, ROWS),
            "monthlycharges": random.uniform(20, 120, ROWS) + dearer,
            "churn": random.choice(["yes", "no"], ROWS),
        }
    )


def log_day(room: Path, day: int, dearer: float = 0.0) -> None:
    """A day of the prediction log, of version 1."""
    rows = make_rows(day, dearer).drop_columns("churn").to_pylist()
    logged = [
        {
            "prediction_id": f"{day}-{place}",
            "model": "churn",
            "version": "1",
            "time": f"2026-03-0{day}T12:00:00",
            "inputs": json.dumps(row),
            "answer": json.dumps({"prediction": "yes" if place % 3 else "no"}),
        }
        for place, row in enumerate(rows)
    ]
    folder = room / "log" / f"day=2026-03-0{day}"
    folder.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(logged), folder / "0.parquet")


@pytest.fixture(scope="session")
def room(models: Library, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with two versions of churn, of which the second is the champion, and a day of predictions."""
    room = tmp_path_factory.mktemp("console")
    pq.write_table(make_rows(0), room / "rows.parquet")
    command = CommandLine(str(room / "store"), ACCOUNT)
    command("publish", models.path("churn"), "--name", "churn", "--data", room / "rows.parquet", "--alias", "champion")
    release(room / "store", "churn", models.path("churn"), alias="challenger")
    command("promote", "churn", "2", "--reason", "better on May")
    log_day(room, 1)
    truth = [{"id": f"{day}-{place}", "churn": "yes" if place % 2 else "no"} for day in (1, 2) for place in range(ROWS)]
    pq.write_table(pa.Table.from_pylist(truth), room / "labels.parquet")
    (room / "thresholds.yaml").write_text("max_flip_ratio: 0.01\n")
    (room / "scored").mkdir()
    (room / "store" / "releases" / "models" / "churn").mkdir(parents=True)
    (room / "store" / "releases" / "models" / "churn" / f"{RETRAINED['id']}.json").write_text(json.dumps(RETRAINED))
    return room


@pytest.fixture(scope="session")
def command(room: Path) -> CommandLine:
    return CommandLine(str(room / "store"), {"MODEL_TRUST": "pickle", **ACCOUNT})


@pytest.fixture(scope="session")
def pubsub() -> Iterator[str]:
    """The value of PUBSUB_EMULATOR_HOST."""
    with serve_in_thread() as running:
        resources.make_topics(running, NAMES)
        yield running


@pytest.fixture(scope="session")
def console(command: CommandLine, room: Path, pubsub: str) -> Iterator[str]:
    """The address of a console that may write and was told of everything."""
    words = ["--log", room / "log", "--data", room / "rows.parquet", "--thresholds", room / "thresholds.yaml"]
    words += ["--labels", room / "labels.parquet", "--key", "id", "--target", "churn", "--batches", room / "scored"]
    words += ["--dead-letters", NAMES.dead_letter_pull]
    cloud = {"PUBSUB_EMULATOR_HOST": pubsub, "GOOGLE_CLOUD_PROJECT": NAMES.project, "NO_GCE_CHECK": "true"}
    command = replace(command, environment={**command.environment, **cloud})
    with command.started("console", "--write", "--port", "0", *words, "--json") as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["url"]
        process.send_signal(signal.SIGINT)
        done = finish(process, 130)
    assert done.err == ""
