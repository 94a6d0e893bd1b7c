"""Smaller graphs within the one that is served, for the methods that are asked for most.

A call of ONNX Runtime runs every node, whatever it is asked for: of the churn example, a label is made by 12 of 19.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from typing import Any, Final

import onnx
from onnx import helper

from modelserve.models.compiled.runtime import PLAN, SMALLER, Methods
from modelserve_control.compile.onnx.graph import needed

# MLflow's forms ask for the first, records for the second; the third is the first of a model logged for probabilities.
ASKED_MOST: Final[tuple[Methods, ...]] = (("predict",), ("predict", "predict_proba"), ("predict_proba",))
# Where a graph is larger, its ensembles take the time, and would be in memory twice.
LARGEST: Final = 64 << 10  # bytes


def add_smaller(model: onnx.ModelProto, plan: str) -> None:
    """Writes them, and the plan of what the graph is fed, into its metadata."""
    found: list[dict[str, Any]] = [
        {"methods": methods, "graph": b64encode(graph).decode()} for methods, graph in smaller(model)
    ]
    helper.set_model_props(model, {PLAN: plan, SMALLER: json.dumps(found)})


def smaller(model: onnx.ModelProto) -> Iterator[tuple[Methods, bytes]]:
    whole = model.graph
    for methods in ASKED_MOST:
        outputs = [output for output in whole.output if output.name in methods]
        nodes, used = needed(whole.node, methods)
        if len(outputs) < len(methods) or len(nodes) == len(whole.node):
            continue
        constants = [tensor for tensor in whole.initializer if tensor.name in used]
        graph = helper.make_graph(nodes, whole.name, whole.input, outputs, constants)
        made = helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
        if made.ByteSize() <= LARGEST:
            yield methods, made.SerializeToString()
