"""Smaller graphs in the metadata of the packed graph, for the most common methods.

ONNX Runtime runs every node of a graph, whichever outputs are requested. A label of the churn example needs 12 of 19 nodes.
"""

import json
from base64 import b64encode
from typing import Final

import onnx
from onnx import helper

from modelserve.models.compiled.runtime import PLAN, SMALLER, Methods
from modelserve_control.compile.onnx.graph import extract

# MLflow's forms need the first, records the second. The third is for models logged with pyfunc_predict_fn="predict_proba".
COMMON_METHODS: Final[tuple[Methods, ...]] = (("predict",), ("predict", "predict_proba"), ("predict_proba",))
# In larger graphs the ensembles take most of the time, and a copy would double their memory.
MAX_BYTES: Final = 64 << 10  # bytes


def add_smaller_graphs(model: onnx.ModelProto, plan: str) -> None:
    whole, found = model.graph, []
    for methods in COMMON_METHODS:
        outputs = [output for output in whole.output if output.name in methods]
        made = extract(model, outputs)
        if len(outputs) < len(methods) or len(made.graph.node) == len(whole.node):
            continue
        if made.ByteSize() <= MAX_BYTES:
            found.append({"methods": methods, "graph": b64encode(made.SerializeToString()).decode()})
    helper.set_model_props(model, {PLAN: plan, SMALLER: json.dumps(found)})
