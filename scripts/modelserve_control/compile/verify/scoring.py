"""Score batches with the compiled model and with the fitted model."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime as ort
import pandas as pd
from sklearn.pipeline import Pipeline

from modelserve.models.compiled.packing import doubles, own_tensor
from modelserve.models.compiled.runtime import load
from modelserve.models.native.runtime import takes_dicts
from modelserve.schema.batch import Batch
from modelserve.schema.signature import Signature
from modelserve.schema.types import String
from modelserve_control.compile.compiler import CompiledModel
from modelserve_control.compile.onnx.graph import Array

MethodOutputs = Mapping[str, Array]


class Session:
    """Both graphs of a compiled model: the packed graph, and the graph with one tensor per column.

    One intra-op thread. Raises the errors of ONNX Runtime.
    """

    def __init__(self, compiled: CompiledModel) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4  # a failure is a valid result here
        self.inputs = compiled.inputs
        self.names = [output.name for output in compiled.outputs]
        self.session = ort.InferenceSession(
            compiled.model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        self.served = load(compiled.packed_model, compiled.metadata())

    def score(self, batch: Batch, methods: Sequence[str] = ()) -> MethodOutputs:
        return self.served.score(batch, methods or self.names, {})

    def score_in_order(self, batch: Batch) -> MethodOutputs:
        """Without the order of rows that suits trees: the vectors of some operators give a row other last bits at another place."""
        return dict(zip(self.names, self.served.run(self.names, self.served.packing.of_batch(batch)), strict=True))

    def score_by_column(self, batch: Batch) -> MethodOutputs:
        feeds = {
            column.name: (own_tensor if column.kind == "string" else doubles)(column, batch.columns[column.name])
            for column in self.inputs
        }
        return dict(zip(self.names, self.session.run(self.names, feeds), strict=True))


def score_original(model: Any, signature: Signature, batch: Batch, methods: list[str]) -> MethodOutputs:
    data = model_input(signature, batch)
    if takes_dicts(model):
        data = data.to_dict("records")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # logarithms of zero, unknown categories encoded as zeros
        if type(model) is Pipeline and len(model) > 1:  # each of its methods would transform the data again
            data, model = model[:-1].transform(data), model[-1]
        return {name: np.asarray(getattr(model, name)(data)) for name in methods}


def model_input(signature: Signature, batch: Batch) -> Any:
    """The input that the native runtime passes to the model. Text columns have an explicit type, because pandas would infer
    `object` for a column with nulls only, and the answer to a row would depend on the other rows."""
    if signature.tensors:
        return dict(batch.columns) if signature.named else next(iter(batch.columns.values()))
    columns: dict[Any, Any] = {}
    for place, column in enumerate(signature.columns):
        values = batch.columns[column.name]
        text = isinstance(column.kind, String)
        columns[column.name if signature.named else place] = pd.Series(values, dtype="str") if text else values
    return pd.DataFrame(columns)
