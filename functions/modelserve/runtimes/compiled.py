"""The compiled runtime: ONNX Runtime alone, from checked columns straight to tensors.

What it loads was made and verified against the original when the version was published
(`modelserve_control.compile`); no mlflow, scikit-learn, pandas, scipy or pickle comes into the process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import onnxruntime as ort

from modelserve.cells import Array
from modelserve.errors import BadCells
from modelserve.signature import Batch

# What a null text is fed as; `modelserve_control.compile.nulls` holds the same, and a test compares them.
NULL_TEXT: Final = "\uffff\ufffenull"
EXACT: Final = 1 << 53  # the greatest whole number up to which a double keeps every one


@dataclass(frozen=True, slots=True)
class Input:
    """One column as the graph takes it: a (rows, width) tensor of `double` or `string`."""

    name: str
    kind: str
    width: int = 1
    nullable: bool = False
    lower: bool = False
    exact_integers: bool = False


class CompiledRuntime:
    kind = "compiled"
    mergeable = True

    def __init__(self, session: Any, inputs: Sequence[Input], methods: Sequence[str], classes: Any) -> None:
        self.session = session
        self.inputs = tuple(inputs)
        self.methods = tuple(methods)
        self.classes = None if classes is None else tuple(classes)

    def score(self, batch: Batch, methods: Sequence[str], params: Mapping[str, Any]) -> dict[str, Any]:
        """(rows,) or (rows, classes) per method."""
        feeds = {column.name: feed(column, batch.columns[column.name]) for column in self.inputs}
        return dict(zip(methods, self.session.run(methods, feeds), strict=True))


def feed(column: Input, values: Array) -> Array:
    if column.kind == "string":
        return texts(column, values).reshape(-1, 1)
    if column.exact_integers and values.dtype.kind == "i":
        refuse_inexact(column, values)
    numbers = values if values.dtype == np.float64 else as_doubles(values)
    return numbers.reshape(len(values), column.width)


def texts(column: Input, values: Array) -> Array:
    if not (column.nullable or column.lower):
        return values
    changed = [NULL_TEXT if text is None else text.lower() if column.lower else text for text in values]
    return np.array(changed, dtype=object)


def as_doubles(values: Array) -> Array:
    """Numbers and booleans; None, which booleans beside nulls have, becomes NaN."""
    return values.astype(np.float64)


def refuse_inexact(column: Input, values: Array) -> None:
    """A double keeps whole numbers up to 2**53 only, and a compiled model is fed doubles."""
    rows = np.flatnonzero((values > EXACT) | (values < -EXACT))
    if rows.size:
        details = [
            {"row": int(row), "column": column.name, "reason": "above 2**53, which this compiled model rounds"}
            for row in rows
        ]
        raise BadCells(f"{rows.size} cells do not fit the compiled model.", details)


def load(data: bytes, description: Mapping[str, Any]) -> CompiledRuntime:
    """`description` is the manifest's: inputs, classes, and outputs with the model's own method first.

    From bytes, so that the graph cannot name other files. One thread per call: an instance serves on one processor.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    inputs = [Input(**column) for column in description["inputs"]]
    methods = [output["name"] for output in description["outputs"]]
    return CompiledRuntime(session, inputs, methods, description.get("classes"))
