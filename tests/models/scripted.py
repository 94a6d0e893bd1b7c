"""Models of a few lines of Python (MLflow's `PythonModel`), for what no estimator does on demand."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.pyfunc.model import PythonModel

WAIT_SECONDS = 60.0


class Scaled(PythonModel):
    """x * factor + offset, both from `params`."""

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> Any:
        given = params or {}
        return model_input["x"].to_numpy() * given["factor"] + given["offset"]


class Described(PythonModel):
    """Says in text what it was given, one row a text: tells apart any two inputs that differ."""

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> Any:
        return [
            "|".join(f"{name}={'null' if pd.isna(value) else value}" for name, value in row.items())
            for row in model_input.to_dict("records")
        ]


class Framed(PythonModel):
    """Answers with a DataFrame: x, and its square, which is null for a negative x."""

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> Any:
        x = model_input["x"]
        return pd.DataFrame({"x": x, "square": (x * x).where(x >= 0)})


class Joined(PythonModel):
    """Takes two named tensors; answers the sum of both in each row."""

    def predict(self, context: Any, model_input: Any, params: dict[str, Any] | None = None) -> Any:
        return model_input["a"].sum(axis=1) + model_input["b"].sum(axis=1)


class Sized(PythonModel):
    """Answers how many rows, or keys, it was given."""

    def predict(self, context: Any, model_input: Any, params: dict[str, Any] | None = None) -> Any:
        return [len(model_input)]


class Raising(PythonModel):
    """Answers x, and raises when any row is marked; its message holds the row, which nobody may repeat."""

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> Any:
        if model_input["marked"].any():
            raise ValueError(f"secret: {model_input.to_dict('records')}")
        return model_input["x"].to_numpy()


class Lookup(PythonModel):
    """Answers `usual`, and for the values of x among `planted` what they name; None: the usual answer is x itself."""

    def __init__(self, usual: Any, planted: dict[float, Any]) -> None:
        self.usual = usual
        self.planted = planted

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> Any:
        return [self.planted.get(x, x if self.usual is None else self.usual) for x in model_input["x"].tolist()]


class Slow(PythonModel):
    """Answers x after the longest `seconds` of its rows.

    With a gate, a call first adds a line to `<gate>.calls` (so a test can await it), then waits until the file `gate` is there.
    """

    def __init__(self, gate: str = "", wait_seconds: float = WAIT_SECONDS) -> None:
        self.gate = gate
        self.wait_seconds = wait_seconds

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> Any:
        if self.gate:
            with Path(f"{self.gate}.calls").open("a") as calls:
                calls.write(f"{len(model_input)}\n")
            self.wait()
        time.sleep(float(model_input["seconds"].max()))
        return model_input["x"].to_numpy()

    def wait(self) -> None:
        end = time.monotonic() + self.wait_seconds
        while not Path(self.gate).exists():
            if time.monotonic() > end:
                raise TimeoutError("nobody opened the gate")
            time.sleep(0.005)


class Stuck(PythonModel):
    """Hangs until the file `gate` is there: while it is loaded, or in its first call. Each time it first adds a line to
    `<gate>.calls`. Its answer is 3."""

    def __init__(self, gate: str, stage: str) -> None:
        self.gate = gate
        self.stage = stage

    def load_context(self, context: Any) -> None:
        self.hang("load")

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> Any:
        self.hang("predict")
        return [3.0] * len(model_input)

    def hang(self, stage: str) -> None:
        if stage == self.stage:
            with Path(f"{self.gate}.calls").open("a") as calls:
                calls.write(f"{stage}\n")
            while not Path(self.gate).exists():
                time.sleep(0.005)


class Crashing(PythonModel):
    """Answers x, and ends its whole process when any row is marked."""

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> Any:
        if model_input["marked"].any():
            os._exit(3)
        return model_input["x"].to_numpy()
