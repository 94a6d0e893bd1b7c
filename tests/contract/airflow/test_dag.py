"""Airflow's own parser, in an environment of its own, loads the DAG of the examples."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Final

import pytest

from benchmarks.servers import environments
from modelserve_control.common import processes

HERE: Final = Path(__file__).parent
DAGS: Final = processes.SOURCES / "scripts/examples/airflow"
PARSE: Final = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(sys.argv[1])
tasks = {name: [task.bash_command for task in dag.tasks] for name, dag in bag.dags.items()}
schedules = {name: str(dag.schedule) for name, dag in bag.dags.items()}
json.dump({"errors": bag.import_errors, "tasks": tasks, "schedules": schedules}, open(sys.argv[2], "w"))
"""


@pytest.mark.timeout(900)  # a first installation downloads 60 MB
def test_the_dag_is_loaded_and_runs_a_script_that_is_there(tmp_path: Path) -> None:
    try:
        python = environments.make(processes.SOURCES / ".cache/airflow/venv", HERE / "requirements.txt")
    except environments.NotInstalled as error:
        pytest.skip(f"Airflow cannot be installed here: {error.message}")
    settings = {"AIRFLOW_HOME": str(tmp_path), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    found = tmp_path / "found.json"
    done = subprocess.run(
        [python, "-c", PARSE, DAGS, found], env=os.environ | settings, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(found.read_text())
    assert document["errors"] == {}
    assert document["schedules"] == {"retrain_flights": "0 3 * * *"}
    ((command,),) = document["tasks"].values()
    script, example = command.removeprefix("$MODELSERVE_HOME/").split()
    assert os.access(processes.SOURCES / script, os.X_OK)
    assert (processes.SOURCES / f"scripts/examples/retraining/{example}.yaml").is_file()
