"""Scores frames with a compiled model as the serving runtime does, and with the model itself."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime as ort
import pandas as pd

from modelserve.models.compiled.packing import Input, doubles, own_tensor
from modelserve.models.compiled.runtime import load
from modelserve.schema.batch import Batch
from modelserve.schema.signature import Signature
from modelserve.schema.types import String
from modelserve_control.compile.compiler import Compiled
from modelserve_control.compile.onnx.graph import Array

Answers = Mapping[str, Array]


class Session:
    """Both graphs of a compiled model: the packed one as it is served, and the one with a tensor per column.

    One intra-op thread. Raises what ONNX Runtime raises, also while scoring.
    """

    def __init__(self, compiled: Compiled) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4  # a row that stops the scoring is an answer here
        self.inputs = compiled.inputs
        self.names = [output.name for output in compiled.outputs]
        self.session = ort.InferenceSession(
            compiled.model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        self.served = load(compiled.served, compiled.metadata())

    def score(self, batch: Batch, methods: Sequence[str] = ()) -> Answers:
        """As it is served; all methods unless some are named."""
        return self.served.score(batch, methods or self.names, {})

    def by_column(self, batch: Batch) -> Answers:
        """As `mlflow.onnx` would score it."""
        feeds = {column.name: feed(column, batch.columns[column.name]) for column in self.inputs}
        return dict(zip(self.names, self.session.run(self.names, feeds), strict=True))


def feed(column: Input, values: Array) -> Array:
    """(rows, width): texts with NULL_TEXT for null, numbers as double with NaN for null."""
    return own_tensor(column, values) if column.kind == "string" else doubles(column, values)


def original(model: Any, signature: Signature, batch: Batch, methods: list[str]) -> Answers:
    """What the model itself answers to the same batch."""
    data = model_input(signature, batch)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # logarithms of zero, unknown categories encoded as zeros
        return {name: np.asarray(getattr(model, name)(data)) for name in methods}


def model_input(signature: Signature, batch: Batch) -> Any:
    """As the native runtime gives it. A column of nulls only is text too: pandas takes it for objects when left alone,
    and the answer to a row would depend on the rows beside it."""
    if signature.tensors:
        return dict(batch.columns) if signature.named else next(iter(batch.columns.values()))
    columns: dict[Any, Any] = {}
    for place, column in enumerate(signature.columns):
        values = batch.columns[column.name]
        text = isinstance(column.kind, String)
        columns[column.name if signature.named else place] = pd.Series(values, dtype="str") if text else values
    return pd.DataFrame(columns)
