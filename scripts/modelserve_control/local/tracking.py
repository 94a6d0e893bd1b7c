"""A local MLflow tracking store, and the result of a training script."""

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
class TrainedModel:
    """A logged model. `model_uri` and `run_uri` are resolved with `tracking_uri`; `sample` is a JSON list of records."""

    tracking_uri: str
    model_uri: str
    run_uri: str
    sample: Path
    metrics: Mapping[str, float]

    def __str__(self) -> str:
        return json.dumps(asdict(self), default=str, indent=2)


def requirements() -> list[str]:
    return [f"{name}=={version(name)}" for name in PINNED]


@contextmanager
def run(store: Path, experiment: str) -> Iterator[mlflow.ActiveRun]:
    """A run in the SQLite store in the directory `store`; MLflow 3 refuses new file stores."""
    store.mkdir(parents=True, exist_ok=True)
    mlflow.set_tracking_uri(f"sqlite:///{store.resolve()}/mlflow.db")
    # MLflow makes its tables at the first use, which fails in two processes at once.
    with (store / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if mlflow.get_experiment_by_name(experiment) is None:
            mlflow.create_experiment(experiment, artifact_location=(store.resolve() / experiment).as_uri())
        mlflow.set_experiment(experiment)
    with warnings.catch_warnings(), mlflow.start_run() as active:
        warnings.filterwarnings("ignore", message=".*integer column")  # a hint; here an integer is never missing
        yield active


def register(
    active: mlflow.ActiveRun,
    name: str,
    model_uri: str,
    sample: Sequence[Mapping[str, Any]],
    metrics: Mapping[str, float],
) -> TrainedModel:
    with redirect_stderr(StringIO()):  # MLflow reports it there
        mlflow.register_model(model_uri, name)
    directory = Path(active.info.artifact_uri.removeprefix("file://"))
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "sample.json"
    path.write_text(json.dumps(list(sample)) + "\n")
    run_uri = f"runs:/{active.info.run_id}/model"
    return TrainedModel(mlflow.get_tracking_uri(), model_uri, run_uri, path, metrics)
