"""A local MLflow tracking store, and what a training script hands on."""

from __future__ import annotations

import fcntl
import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import asdict, dataclass
from importlib.metadata import version
from io import StringIO
from pathlib import Path
from typing import Any

from modelserve_control.common.mlflow_logging import mlflow

PINNED = ("mlflow", "numpy", "pandas", "scikit-learn", "skops")


@dataclass(frozen=True)
class Trained:
    """A logged model. `model_uri` and `run_uri` are resolved with `tracking_uri`; `sample` is a JSON list of records."""

    tracking_uri: str
    model_uri: str
    run_uri: str
    sample: Path
    metrics: Mapping[str, float]

    def __str__(self) -> str:
        return json.dumps(asdict(self), default=str, indent=2)


def requirements() -> list[str]:
    """The pins that a server must match, stated instead of inferred: inferring them loads the model in another process."""
    return [f"{name}=={version(name)}" for name in PINNED]


@contextmanager
def run(store: Path, experiment: str) -> Iterator[mlflow.ActiveRun]:
    """An MLflow run in the SQLite store under the directory `store`, which MLflow 3 wants: it refuses new file stores."""
    store.mkdir(parents=True, exist_ok=True)
    mlflow.set_tracking_uri(f"sqlite:///{store.resolve()}/mlflow.db")
    # MLflow makes its tables on first use, and two processes that do so at once fail.
    with (store / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if mlflow.get_experiment_by_name(experiment) is None:
            mlflow.create_experiment(experiment, artifact_location=(store.resolve() / experiment).as_uri())
        mlflow.set_experiment(experiment)
    with warnings.catch_warnings(), mlflow.start_run() as active:
        warnings.filterwarnings("ignore", message=".*integer column")  # a hint; here an integer is never missing
        yield active


def trained(
    active: mlflow.ActiveRun,
    name: str,
    model_uri: str,
    sample: Sequence[Mapping[str, Any]],
    metrics: Mapping[str, float],
) -> Trained:
    """Registers the model under `name` and writes the sample beside the run's artifacts."""
    with redirect_stderr(StringIO()):  # where MLflow says that it did
        mlflow.register_model(model_uri, name)
    directory = Path(active.info.artifact_uri.removeprefix("file://"))
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "sample.json"
    path.write_text(json.dumps(list(sample)) + "\n")
    run_uri = f"runs:/{active.info.run_id}/model"
    return Trained(mlflow.get_tracking_uri(), model_uri, run_uri, path, metrics)
