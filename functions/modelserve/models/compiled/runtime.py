"""The compiled runtime: ONNX Runtime alone, from checked columns to tensors.

Its graph was made and verified when the version was published (`modelserve_control.compile`). It imports no mlflow,
scikit-learn, pandas, scipy or pickle.
"""

import json
from base64 import b64decode
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

import numpy as np
import onnxruntime as ort

from modelserve.core.memory import drop_code_pages
from modelserve.models.compiled.packing import Packing, Plan
from modelserve.models.compiled.row_order import is_faster_sorted, sort_rows
from modelserve.schema.batch import Batch
from modelserve.schema.types import Array
from modelserve.store.trust.external_data import refuse_external_data

PLAN: Final = "modelserve.plan"  # where the graph's metadata holds what it is fed
SMALLER: Final = "modelserve.smaller"  # and the smaller graphs in it, each for some of its methods
TREES: Final = b"TreeEnsemble"  # the operator, in the bytes of the graph
MANY_TREES_BYTES: Final = 50_000  # of a graph: less than 20 trees of six levels take less time than to order their rows
OPTIONS: Final = ort.RunOptions()  # as they are; without them each call makes its own
# Operators are registered once, with the first session; what later versions dropped would be in use.
drop_once: Final = cache(drop_code_pages)

Methods = tuple[str, ...]


class CompiledRuntime:
    kind = "compiled"
    mergeable = True

    def __init__(
        self,
        session: Any,
        smaller: Mapping[Methods, Any],
        packing: Packing,
        methods: Sequence[str],
        classes: Any,
        has_many_trees: bool = False,
    ) -> None:
        self.session = session
        self.smaller = smaller  # sessions, which score only these methods
        self.packing = packing
        self.methods = tuple(methods)
        self.classes = None if classes is None else tuple(classes)
        self.has_many_trees = has_many_trees

    def score(self, batch: Batch, methods: Sequence[str], params: Mapping[str, Any]) -> dict[str, Any]:
        """(rows,) or (rows, classes) per method."""
        feeds = self.packing.of_batch(batch)
        run = self.run_sorted if self.has_many_trees and is_faster_sorted(feeds) else self.run
        return dict(zip(methods, run(methods, feeds), strict=True))

    def run_sorted(self, methods: Sequence[str], feeds: Mapping[str, Array]) -> list[Array]:
        order = sort_rows(feeds)
        outputs = self.run(methods, {name: tensor[order] for name, tensor in feeds.items()})
        places = np.empty_like(order)
        places[order] = np.arange(len(order))
        return [output[places] for output in outputs]

    def run(self, methods: Sequence[str], feeds: Mapping[str, Array]) -> list[Array]:
        session = self.smaller.get(tuple(methods), self.session)
        outputs: list[Array] = session.run(methods, feeds, OPTIONS)
        return outputs


def load(data: bytes, description: Mapping[str, Any]) -> CompiledRuntime:
    """`description` is the manifest's `runtime`: its outputs begin with the model's own method. Methods that are often
    called may have smaller graphs, since a call runs every node."""
    session = open_session(data)
    metadata = session.get_modelmeta().custom_metadata_map
    smaller = {
        tuple(one["methods"]): open_session(b64decode(one["graph"])) for one in json.loads(metadata.get(SMALLER, "[]"))
    }
    drop_once("onnxruntime_pybind11_state")
    methods = [output["name"] for output in description["outputs"]]
    packing = Packing(Plan.decode(metadata[PLAN]))
    has_many_trees = TREES in data and len(data) >= MANY_TREES_BYTES
    return CompiledRuntime(session, smaller, packing, methods, description.get("classes"), has_many_trees)


def open_session(data: bytes) -> Any:
    """A session with one thread, as an instance serves on one processor. A graph that names files is refused before."""
    refuse_external_data(data)
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False  # for a row the C library's own is faster, and keeps less
    options.log_severity_level = 4  # a graph that stops the scoring says so by raising
    return ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
