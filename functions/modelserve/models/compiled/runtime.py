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
from modelserve.models.compiled.packing import CODES, Packing, Plan
from modelserve.models.compiled.row_order import RowOrder
from modelserve.schema.batch import Batch
from modelserve.schema.types import Array
from modelserve.store.trust.external_data import refuse_external_data

PLAN: Final = "modelserve.plan"  # where the graph's metadata holds what it is fed
SMALLER: Final = "modelserve.smaller"  # and the smaller graphs in it, each for some of its methods
CHUNK_ROWS: Final = 5_000  # of a run
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
    ) -> None:
        self.session = session
        self.smaller = smaller  # sessions, which score only these methods
        self.packing = packing
        self.methods = tuple(methods)
        self.classes = None if classes is None else tuple(classes)
        self.row_order = RowOrder(packing.plan.splits)
        self.labels = {method: np.array(texts, dtype=object) for method, texts in packing.plan.labels.items()}

    def score(self, batch: Batch, methods: Sequence[str], params: Mapping[str, Any]) -> dict[str, Any]:
        """(rows,) or (rows, classes) per method."""
        if batch.rows <= CHUNK_ROWS:
            outputs = self.run(methods, self.packing.of_batch(batch))
        else:
            outputs = self.run_many(methods, self.packing.of_batch(batch, narrow=True), batch.rows)
        return dict(zip(methods, outputs, strict=True))

    def run(self, methods: Sequence[str], feeds: Mapping[str, Array]) -> list[Array]:
        return self._with_labels(methods, self._run_session(methods, feeds))

    def run_many(self, methods: Sequence[str], feeds: Mapping[str, Array], rows: int) -> list[Array]:
        """In chunks, whose tensors fit into a processor cache."""
        order = self.row_order.places(feeds, rows)
        chunks = (slice(start, start + CHUNK_ROWS) for start in range(0, rows, CHUNK_ROWS))
        parts = [self._run_session(methods, take_rows(feeds, one if order is None else order[one])) for one in chunks]
        outputs = [np.concatenate(part) for part in zip(*parts, strict=True)]
        if order is not None:
            places = np.empty_like(order)
            places[order] = np.arange(rows)
            outputs = [output.take(places, axis=0) for output in outputs]
        return self._with_labels(methods, outputs)

    def _run_session(self, methods: Sequence[str], feeds: Mapping[str, Array]) -> list[Array]:
        session = self.smaller.get(tuple(methods), self.session)
        outputs: list[Array] = session.run(methods, feeds, OPTIONS)
        return outputs

    def _with_labels(self, methods: Sequence[str], outputs: list[Array]) -> list[Array]:
        return [
            self.labels[method][output] if method in self.labels else output
            for method, output in zip(methods, outputs, strict=True)
        ]


def take_rows(feeds: Mapping[str, Array], rows: slice | Array) -> dict[str, Array]:
    """`take` is several times as fast as an index."""
    taken = {
        name: tensor[rows] if isinstance(rows, slice) else tensor.take(rows, axis=0) for name, tensor in feeds.items()
    }
    if CODES in taken:
        taken[CODES] = taken[CODES].astype(np.int64, copy=False)
    return taken


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
    return CompiledRuntime(session, smaller, packing, methods, description.get("classes"))


def open_session(data: bytes) -> Any:
    """A session with one thread, as an instance serves on one processor. A graph that names files is refused before."""
    refuse_external_data(data)
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False  # for a row the C library's own is faster, and keeps less
    options.log_severity_level = 4  # a graph that stops the scoring says so by raising
    return ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
