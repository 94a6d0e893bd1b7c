"""The compiled runtime: ONNX Runtime alone, from checked columns straight to tensors.

What it loads was made and verified against the original when the version was published
(`modelserve_control.compile`); no mlflow, scikit-learn, pandas, scipy or pickle comes into the process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

import onnxruntime as ort

from modelserve.cells import Array
from modelserve.runtimes.packing import Packing, Plan
from modelserve.runtimes.pages import give_back_code
from modelserve.signature import Batch

PLAN: Final = "modelserve.plan"  # where the graph's metadata holds what it is fed
ONLY_ASKED: Final = ort.RunOptions()
ONLY_ASKED.only_execute_path_to_fetches = True  # the other methods' nodes are not run


class CompiledRuntime:
    kind = "compiled"
    mergeable = True

    def __init__(self, session: Any, packing: Packing, methods: Sequence[str], classes: Any) -> None:
        self.session = session
        self.packing = packing
        self.methods = tuple(methods)
        self.classes = None if classes is None else tuple(classes)

    def score(self, batch: Batch, methods: Sequence[str], params: Mapping[str, Any]) -> dict[str, Any]:
        """(rows,) or (rows, classes) per method."""
        return dict(zip(methods, self.run(methods, self.packing.of_batch(batch)), strict=True))

    def run(self, methods: Sequence[str], feeds: Mapping[str, Array]) -> list[Array]:
        """The output of each method. Raises what ONNX Runtime raises."""
        outputs: list[Array] = self.session.run(methods, feeds, ONLY_ASKED)
        return outputs


@cache
def give_back_registration() -> None:
    """Operators are registered once, with the first session; what later ones drop would be in use."""
    give_back_code("onnxruntime_pybind11_state")


def load(data: bytes, description: Mapping[str, Any]) -> CompiledRuntime:
    """`description` is the manifest's: classes, and outputs with the model's own method first.

    From bytes, so that the graph cannot name other files. One thread per call: an instance serves on one processor.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # a graph that stops the scoring says so by raising
    session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    give_back_registration()
    packing = Packing(Plan.decode(session.get_modelmeta().custom_metadata_map[PLAN]))
    methods = [output["name"] for output in description["outputs"]]
    return CompiledRuntime(session, packing, methods, description.get("classes"))
