"""How every tiny model is saved: an explicit signature and explicit requirements, so that MLflow infers nothing."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import mlflow.sklearn
from mlflow.models import ModelSignature
from mlflow.pyfunc.model import PythonModel
from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema

Columns = Mapping[str, str]
PINNED = ("cloudpickle", "numpy", "pandas", "scikit-learn", "skops")


def requirements(*more: str) -> list[str]:
    return [f"{name}=={version(name)}" for name in ("mlflow", *PINNED, *more)]


def signature(
    inputs: Columns, outputs: Columns, optional: Sequence[str] = (), params: Sequence[ParamSpec] = ()
) -> ModelSignature:
    """`inputs` and `outputs` map a column to MLflow's name of its type; `optional` columns take null."""
    described: dict[str, Any] = {"params": ParamSchema(list(params))} if params else {}
    return ModelSignature(
        inputs=Schema([ColSpec(kind, name, required=name not in optional) for name, kind in inputs.items()]),
        outputs=Schema([ColSpec(kind, name) for name, kind in outputs.items()]),
        **described,
    )


def save_sklearn(
    model: Any, path: Path, described: ModelSignature | None, form: str = "skops", example: Any = None, **more: Any
) -> Path:
    """`form` is one of MLflow's serialization formats: skops, cloudpickle or pickle."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow warns about its own pickle forms and about missing signatures
        mlflow.sklearn.save_model(
            model,
            path,
            signature=described,
            serialization_format=form,
            input_example=example,
            pip_requirements=requirements(),
            **more,
        )
    return path


def save_pyfunc(model: PythonModel, path: Path, described: ModelSignature | None) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow advises type hints instead of a signature
        mlflow.pyfunc.save_model(path, python_model=model, signature=described, pip_requirements=requirements())
    return path
