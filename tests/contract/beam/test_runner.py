"""Apache Beam scores the same parts into the same bytes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batches import GOOD
from benchmarks.servers import environments
from command_line import CommandLine
from models.library import Library
from modelserve_control.common import processes
from serving import release

pytestmark = pytest.mark.timeout(600)  # a first installation takes a minute, and downloads 200 MB

HERE: Final = Path(__file__).parent


@pytest.fixture(scope="module")
def python() -> Path:
    """With Beam, in an environment of its own."""
    return environments.make(processes.SOURCES / ".cache" / "beam" / "venv", HERE / "requirements.txt")


def files(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir() if path.is_file()}


@pytest.mark.parametrize("runner", ["DirectRunner", "PrismRunner"])
def test_a_runner_gives_the_bytes_of_the_local_form(python: Path, models: Library, tmp_path: Path, runner: str) -> None:
    options: dict[str, Any] = {"runner": runner}
    if runner == "PrismRunner":
        prism = shutil.which("prism")
        if prism is None:
            pytest.skip("there is no prism: go install github.com/apache/beam/sdks/v2/go/cmd/prism@v2.77.0 (3 minutes)")
        options["beam"] = [f"prism_location={prism}", "environment_type=LOOPBACK"]
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
        env=processes.with_sources(os.environ),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout.splitlines()[-1])
    assert (counts["rows"], counts["failed"], counts["parts"]) == (63, 3, 3)
    assert files(tmp_path / "beam") == files(tmp_path / "local")


def test_the_options_of_dataflow_are_beams_own(python: Path) -> None:
    """Beam refuses none of them, and knows each by its name."""
    code = (
        "import json, sys; from apache_beam.options.pipeline_options import PipelineOptions; "
        "from modelserve_control.batch.score import ScoreOptions; "
        "options = ScoreOptions(**json.loads(sys.argv[1])).beam_options(); "
        "known = PipelineOptions(['--runner=DataflowRunner', *options]); "
        "print(json.dumps(known.get_all_options(drop_default=True), default=str))"
    )
    options = {
        "model": "churn",
        "source": "gs://b/in/*",
        "output": "gs://b/out/",
        "runner": "DataflowRunner",
        "project": "p",
        "region": "europe-west6",
        "temp_location": "gs://b/tmp",
        "container_image": "europe-docker.pkg.dev/p/r/batch:1",
        "beam": ["max_num_workers=3"],
    }
    done = subprocess.run(
        [python, "-c", code, json.dumps(options)],
        env=processes.with_sources(os.environ),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    named = json.loads(done.stdout.splitlines()[-1])
    assert named["project"] == "p"
    assert named["region"] == "europe-west6"
    assert named["temp_location"] == "gs://b/tmp"
    assert named["sdk_container_image"] == options["container_image"]
    assert named["sdk_location"] == "container"
    assert named["max_num_workers"] == 3
