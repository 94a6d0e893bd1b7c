"""The compiled runtime: ONNX Runtime alone, from checked columns straight to tensors.

What it loads was made and verified against the original when the version was published
(`modelserve_control.compile`); no mlflow, scikit-learn, pandas, scipy or pickle comes into the process.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

import onnxruntime as ort

from modelserve.core.memory import drop_code_pages
from modelserve.models.compiled.packing import Packing, Plan
from modelserve.schema.batch import Batch
from modelserve.schema.types import Array
from modelserve.store.trust.external_data import refuse_external_data

PLAN: Final = "modelserve.plan"  # where the graph's metadata holds what it is fed
SMALLER: Final = "modelserve.smaller"  # and the smaller graphs in it, each for some of its methods
OPTIONS: Final = ort.RunOptions()  # as they are; without them each call makes its own

Methods = tuple[str, ...]


class CompiledRuntime:
    kind = "compiled"
    mergeable = True

    def __init__(
        self, session: Any, smaller: Mapping[Methods, Any], packing: Packing, methods: Sequence[str], classes: Any
    ) -> None:
        self.session = session
        self.smaller = smaller  # sessions, which score only these methods
        self.packing = packing
        self.methods = tuple(methods)
        self.classes = None if classes is None else tuple(classes)

    def score(self, batch: Batch, methods: Sequence[str], params: Mapping[str, Any]) -> dict[str, Any]:
        """(rows,) or (rows, classes) per method."""
        return dict(zip(methods, self.run(methods, self.packing.of_batch(batch)), strict=True))

    def run(self, methods: Sequence[str], feeds: Mapping[str, Array]) -> list[Array]:
        session = self.smaller.get(tuple(methods), self.session)
        outputs: list[Array] = session.run(methods, feeds, OPTIONS)
        return outputs


@cache
def drop_registration_pages() -> None:
    """Operators are registered once, with the first session; what later versions drop would be in use."""
    drop_code_pages("onnxruntime_pybind11_state")


def load(data: bytes, description: Mapping[str, Any]) -> CompiledRuntime:
    """`description` is the manifest's: classes, and outputs with the model's own method first.

    A call runs every node of its graph, whatever it is asked for, so the methods asked for most may have smaller ones.
    """
    session = open_session(data)
    metadata = session.get_modelmeta().custom_metadata_map
    smaller = {
        tuple(one["methods"]): open_session(b64decode(one["graph"])) for one in json.loads(metadata.get(SMALLER, "[]"))
    }
    drop_registration_pages()
    methods = [output["name"] for output in description["outputs"]]
    return CompiledRuntime(session, smaller, Packing(Plan.decode(metadata[PLAN])), methods, description.get("classes"))


def open_session(data: bytes) -> Any:
    """A session. Bytes may name files as well, so they are looked through before. One thread per call: an instance serves
    on one processor."""
    refuse_external_data(data)
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False  # for a row the C library's own is faster, and keeps less
    options.log_severity_level = 4  # a graph that stops the scoring says so by raising
    return ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
