"""The model that every server loads, with rows and the labels that `mlflow.pyfunc` predicts for them; cached.

A separate process trains it, so that the load generator does not import MLflow: `python -m benchmarks.model NAME DIRECTORY`.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from modelserve_control.common import processes

SCRIPTS = processes.SOURCES / "scripts"
CACHE = processes.SOURCES / ".cache" / "bench"
ROWS = 100
STDERR = 2


@dataclass(frozen=True)
class Recipe:
    """`module` of the examples has `train` and a function with the name `table` that returns the rows."""

    title: str
    module: str
    table: str
    own: bool = False
    """Whether the pipeline comes from `benchmarks.pipelines` instead of the example."""


RECIPES: Final[Mapping[str, Recipe]] = {
    "churn": Recipe("Telco customers; one-hot, imputer, scaler and logistic regression", "telco_churn", "customers"),
    "forest": Recipe(
        "Telco customers; the same encoders and a forest of 100 trees, depth 12", "telco_churn", "customers", own=True
    ),
    "boosting": Recipe(
        "Telco customers; ordinal encoder and histogram gradient boosting", "telco_churn", "customers", own=True
    ),
    "encoded": Recipe(
        "Telco customers as 19 numbers; scaler and logistic regression", "telco_churn", "customers", own=True
    ),
    "flights": Recipe("minutes in the air, a regressor; one-hot of dicts and ridge", "flight_duration", "flights"),
}


@dataclass(frozen=True)
class Model:
    """`directory` is an MLflow model; `expected` has one label for each record of `rows`."""

    name: str
    directory: Path
    rows: Sequence[Mapping[str, Any]]
    expected: Sequence[Any]

    @property
    def rows_file(self) -> Path:
        """JSON with `rows` and `expected`."""
        return self.directory.with_name("rows.json")


def load_model(name: str) -> Model:
    """Train the model (about 20 s) unless the cache has it for the same example, code and pinned packages."""
    home = CACHE / name
    stamp = home / "stamp"
    wanted = digest(*source_files(RECIPES[name]))
    if not stamp.is_file() or stamp.read_text() != wanted:
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        command = [sys.executable, "-W", "ignore", "-m", "benchmarks.model", name, str(home)]
        environ = processes.with_sources(os.environ)
        subprocess.run(command, check=True, env=environ, timeout=600, stdout=STDERR)
        stamp.write_text(wanted)
    found = json.loads((home / "rows.json").read_text())
    return Model(name, home / "model", found["rows"], found["expected"])


def source_files(recipe: Recipe) -> list[Path]:
    """The files that the model depends on."""
    here = [Path(__file__), *([Path(__file__).with_name("pipelines.py")] if recipe.own else [])]
    return [SCRIPTS / "examples" / f"{recipe.module}.py", SCRIPTS / "requirements.txt", *here]


def digest(*files: Path) -> str:
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def train(name: str, home: Path) -> None:
    """Write the MLflow directory as `model`, and `rows.json`."""
    from modelserve_control.common.mlflow_logging import mlflow, silence

    recipe = RECIPES[name]
    example = importlib.import_module(f"examples.{recipe.module}")
    with silence():
        read_table = getattr(example, recipe.table)
        if recipe.own:
            pipelines = importlib.import_module("benchmarks.pipelines")
            pipelines.save(name, home / "model")
            read_table = pipelines.TABLES.get(name, read_table)
        else:
            trained = example.train(home / "mlflow")
            shutil.copytree(mlflow.artifacts.download_artifacts(trained.model_uri), home / "model")
        pyfunc = mlflow.pyfunc.load_model(str(home / "model"))
        names = pyfunc.metadata.get_input_schema().input_names()
        # Rows without nulls, which some of the protocols cannot express.
        frame = read_table()[names].dropna().tail(ROWS)
        expected = pyfunc.predict(frame).tolist()
    # DataFrame.to_json would round to ten digits.
    rows = frame.to_dict(orient="records")
    (home / "rows.json").write_text(json.dumps({"rows": rows, "expected": expected}))


if __name__ == "__main__":
    train(sys.argv[1], Path(sys.argv[2]))
