"""What a server says about its model: `/metadata`, V2 metadata, and the version text of MLflow's protocol."""

import platform
from dataclasses import asdict
from functools import cache
from typing import Any

import numpy as np

from modelserve.models.scorers.outputs import PROBABILITIES, readable
from modelserve.models.version import Loaded
from modelserve.payloads.json import oip_v2
from modelserve.payloads.predictions import jsonable
from modelserve.schema.signature import Column
from modelserve.schema.tensors import Tensor
from modelserve.store.trust.environment import find_installed

# MLflow types to V2 datatypes; dates and bytes travel as text.
DATATYPES = {"integer": "INT32", "long": "INT64", "float": "FP32", "double": "FP64", "boolean": "BOOL"}
TENSOR_DATATYPES = {"f": "FP", "i": "INT", "u": "UINT", "b": "BOOL"}
V2_SERVER = {"name": "modelserve", "version": "0.1.0", "extensions": ["binary_tensor_data"]}


@cache
def mlflow_version() -> str:
    return find_installed("mlflow-skinny") or find_installed("mlflow") or "none"


def document(loaded: Loaded) -> dict[str, Any]:
    runtime = loaded.runtime
    return {
        "name": loaded.name,
        "version": loaded.version,
        "alias": loaded.alias,
        "digest": loaded.digest,
        "runtime": runtime.kind,
        "predict_methods": list(runtime.methods),
        "classes": list(runtime.classes) if runtime.classes else None,
        "signature": loaded.signature.raw if loaded.signature else None,
        "presentation": asdict(loaded.presentation),
        "run_id": loaded.run_id,
        "loaded_at": loaded.loaded_at,
        "load_seconds": dict(loaded.times),
        "environment": {
            "model": dict(loaded.environment),
            "server": {"python": platform.python_version(), "mlflow": mlflow_version()},
        },
    }


def v2_document(loaded: Loaded) -> dict[str, Any]:
    columns = loaded.signature.columns if loaded.signature else ()
    return {
        "name": loaded.name,
        "versions": [loaded.version],
        "platform": f"mlflow_{loaded.runtime.kind}",
        "inputs": [v2_column(column) for column in columns],
        "outputs": [v2_output(loaded, method) for method in loaded.runtime.methods],
    }


def v2_output(loaded: Loaded, method: str) -> dict[str, Any]:
    """As an answer has it: known from the sample, else from the classes, else from the signature."""
    classes, outputs = loaded.runtime.classes, loaded.signature.raw.get("outputs") if loaded.signature else None
    found, shape = oip_v2.output_of(method, [0.0]), [-1]
    if method in loaded.outputs:
        found = oip_v2.output_of(method, oip_v2.keep_arrays(readable(loaded.outputs[method])))
        shape = [-1, *found.shape[1:]]
    elif classes is not None and method == "predict":
        found = oip_v2.output_of(method, list(classes))
    elif classes is not None and (method in PROBABILITIES or len(classes) > 2):
        shape = [-1, len(classes)]
    elif classes is None and outputs and outputs[0]["type"] == "tensor":
        tensor = outputs[0]["tensor-spec"]
        found = oip_v2.output_of(method, jsonable(np.zeros(1, tensor["dtype"])))
        shape = [-1, *tensor["shape"][1:]]
    elif classes is None and outputs and len(outputs) > 1:
        shape = [-1, len(outputs)]
    return {"name": method, "datatype": found.datatype, "shape": shape}


def v2_column(column: Column) -> dict[str, Any]:
    kind = column.kind
    if isinstance(kind, Tensor):
        family = TENSOR_DATATYPES.get(kind.dtype.kind, "BYTES")
        datatype = f"{family}{kind.dtype.itemsize * 8}" if family != "BYTES" else family
        return {"name": column.name, "datatype": datatype, "shape": [-1, *kind.shape]}
    return {"name": column.name, "datatype": DATATYPES.get(kind.name, "BYTES"), "shape": [-1]}
