"""Apache Beam scores the same parts into the same bytes."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batches import GOOD
from bucket_server import bucket_server
from command_line import CommandLine
from contract.beam.dataflow import beam_python, submit
from contract.beam.prism import ENTRY, skip_without_prism, worker_options
from models.library import Library
from modelserve_control.common import processes
from serving import release

pytestmark = pytest.mark.timeout(600)  # a first installation takes a minute, and downloads 200 MB

HERE: Final = Path(__file__).parent


@pytest.fixture(scope="module")
def python() -> Path:
    return beam_python()


def files(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir() if path.is_file()}


def test_the_direct_runner_gives_the_bytes_of_the_local_form(python: Path, models: Library, tmp_path: Path) -> None:
    check_same_bytes(python, models, tmp_path, {"runner": "DirectRunner"})


def test_a_worker_of_its_own_gives_the_bytes_of_the_local_form(python: Path, models: Library, tmp_path: Path) -> None:
    """As on Dataflow: pipeline and worker share nothing but what Beam carries and the store. The worker is started as in a
    container whose image has Python, Beam and our package."""
    skip_without_prism()
    started = tmp_path / "worker"
    started.mkdir()
    environment = {
        "PATH": f"{python.parent}:{os.environ['PATH']}",
        "PYTHONPATH": processes.with_sources({})["PYTHONPATH"],
        "RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT": "1",
    }
    options = worker_options([str(ENTRY)], started, environment)
    check_same_bytes(python, models, tmp_path, {"runner": "PrismRunner", "beam": options})


def check_same_bytes(python: Path, models: Library, tmp_path: Path, options: dict[str, Any]) -> None:
    release(tmp_path / "store", "churn", models.path("churn"), {}, runtime="compiled")
    (tmp_path / "in").mkdir()
    for file in range(3):
        rows = [GOOD | {"tenure": row, "customer": f"{file}-{row}"} for row in range(20)]
        pq.write_table(pa.Table.from_pylist([*rows, GOOD | {"tenure": None}]), tmp_path / "in" / f"{file}.parquet")
    command = CommandLine(str(tmp_path / "store"))
    command.json("score", "churn", tmp_path / "in" / "*.parquet", f"{tmp_path}/local/", "--processes", 1)
    options |= {"model": "churn", "store": str(tmp_path / "store")}
    options |= {"source": f"{tmp_path}/in/*.parquet", "output": f"{tmp_path}/beam/"}
    done = subprocess.run(
        [python, HERE / "score_parts.py", json.dumps(options)],
        cwd=tmp_path,  # the worker leaves its options there
        env=processes.with_sources(os.environ),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout.splitlines()[-1])
    assert (counts["rows"], counts["failed"], counts["parts"]) == (63, 3, 3)
    assert files(tmp_path / "beam") == files(tmp_path / "local")


def test_a_pipeline_that_fails_is_a_sentence_and_one_that_is_stopped_is_cancelled(python: Path, tmp_path: Path) -> None:
    words = [python, HERE / "own_runner.py"]
    environment = processes.with_sources(os.environ)
    with subprocess.Popen(words, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        said = [child.stdout.readline(), child.stdout.readline()]
        child.terminate()
        said += child.stdout.readlines()
    assert said == [
        "The own_runner.OwnRunner failed: a worker has no disk\n",
        "running\n",
        "cancelled\n",
        "interrupted\n",
    ]


def test_options_that_beam_refuses_are_named(python: Path, models: Library, tmp_path: Path) -> None:
    release(tmp_path / "store", "churn", models.path("churn"), {}, runtime="compiled")
    words = ["score", "churn", "--input", "gs://bucket/in/*.parquet", "--output", "gs://bucket/out/"]
    words += [
        "--store",
        "gs://models",
        "--runner",
        "DataflowRunner",
        "--project",
        "Not An Id",
        "--region",
        "europe-west6",
    ]
    words += ["--temp-location", "gs://temp/tmp", "--beam", "max_num_workers=-1"]
    with bucket_server() as gcs:
        refused = submit(python, gcs, tmp_path / "store", words, tmp_path)
    assert (refused.job, refused.staged) == ({}, [])
    assert "Beam refuses the options of the DataflowRunner" in refused.log
    assert [part in refused.log for part in ("Project ID", "max_num_workers", "Traceback")] == [True, True, False]
