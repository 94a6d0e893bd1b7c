"""Saves the models of `models.scripted`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cloudpickle  # type: ignore[import-untyped]  # it ships no types
import numpy as np
from mlflow.models import ModelSignature
from mlflow.types import ParamSpec, Schema, TensorSpec

from models import scripted
from models.saving import save_pyfunc, signature

# The server cannot import this package, so the class itself goes into the file.
cloudpickle.register_pickle_by_value(scripted)

EVERY_TYPE = {
    "flag": "boolean",
    "small": "integer",
    "large": "long",
    "single": "float",
    "real": "double",
    "text": "string",
    "when": "datetime",
    "bytes": "binary",
}


def params(path: Path) -> Path:
    """`x * factor + offset`; factor (double) is 2.0 and offset (long) is 0 unless `params` say so."""
    defaults = [ParamSpec("factor", "double", 2.0), ParamSpec("offset", "long", 0)]
    return save_pyfunc(scripted.Scaled(), path, signature({"x": "double"}, {"y": "double"}, params=defaults))


def optional(path: Path) -> Path:
    """A datetime, an optional datetime, an optional double, string and boolean; the answer says what arrived."""
    columns = {"when": "datetime", "until": "datetime", "amount": "double", "note": "string", "flag": "boolean"}
    described = signature(columns, {"text": "string"}, optional=["until", "amount", "note", "flag"])
    return save_pyfunc(scripted.Described(), path, described)


def every_type(path: Path) -> Path:
    """A required column of each of MLflow's scalar types; the answer says what arrived."""
    return save_pyfunc(scripted.Described(), path, signature(EVERY_TYPE, {"text": "string"}))


def framed(path: Path) -> Path:
    return save_pyfunc(scripted.Framed(), path, signature({"x": "double"}, {"x": "double", "square": "double"}))


def tensors(path: Path) -> Path:
    schema = Schema([TensorSpec(np.dtype("float64"), (-1, width), name) for name, width in (("a", 2), ("b", 1))])
    return save_pyfunc(scripted.Joined(), path, ModelSignature(schema))


def sized(path: Path) -> Path:
    return save_pyfunc(scripted.Sized(), path, None)


def raising(path: Path) -> Path:
    return save_pyfunc(scripted.Raising(), path, signature({"x": "double", "marked": "boolean"}, {"x": "double"}))


def lookup(path: Path, usual: Any, planted: dict[float, Any], kind: str = "double", optional: bool = False) -> Path:
    described = signature({"x": "double"}, {"answer": kind}, optional=["x"] if optional else [])
    return save_pyfunc(scripted.Lookup(usual, planted), path, described)


def crashing(path: Path) -> Path:
    return save_pyfunc(scripted.Crashing(), path, signature({"x": "double", "marked": "boolean"}, {"x": "double"}))


def stuck(path: Path, gate: Path, stage: str) -> Path:
    saved = save_pyfunc(scripted.Stuck(str(gate), stage), path, signature({"x": "double"}, {"y": "double"}))
    (saved / "serving_input_example.json").write_text('{"dataframe_records": [{"x": 1.0}]}')
    return saved


def slow(path: Path, gate: Path | None = None) -> Path:
    model = scripted.Slow(str(gate or ""))
    return save_pyfunc(model, path, signature({"x": "double", "seconds": "double"}, {"x": "double"}))
