"""Compile a fitted model to one ONNX graph with one input tensor per column and one output tensor per method."""

import importlib
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, Final

import onnx
from onnx import helper
from sklearn.pipeline import Pipeline

from modelserve.models.compiled.packing import Input
from modelserve.models.native.runtime import METHODS
from modelserve.schema.signature import Column, Signature
from modelserve.schema.tensors import Tensor
from modelserve.schema.types import Boolean, ColumnType, FloatType, IntegerType, String
from modelserve_control.compile.errors import CannotCompile, refuse
from modelserve_control.compile.onnx.features import Features, Part
from modelserve_control.compile.onnx.graph import TYPES, Graph, Methods
from modelserve_control.compile.onnx.heads import class_labels
from modelserve_control.compile.onnx.packing import pack
from modelserve_control.compile.registry import predict

# Of libraries that may be absent. A model of one has imported it.
LIBRARY_MODULES: Final = {
    "keras": "models.keras_networks",
    "lightgbm": "models.trees.lgbm",
    "xgboost": "models.trees.xgb",
}
ESTIMATOR_MODULES: Final = (
    "transformers.encoders",
    "transformers.imputers",
    "transformers.scalers",
    "transformers.selectors",
    "transformers.texts",
    "models.linear",
    "models.trees.forests",
    "models.trees.boosting",
    "models.bayes",
    "models.calibration",
    "models.combinations",
    "models.dummies",
    "models.neighbors",
    "models.networks",
    "models.vectors",
)
# Between both forms, absolute or relative.
TOLERANCE: Final = 1e-6
# Of a model that computes in float32: a sum of 7 digits that nearly cancels has 4 left.
FLOAT32_TOLERANCE: Final = 1e-4
NUMPY_TYPES: Final = {"O": "string", "i": "int64", "f": "double", "b": "bool"}


@dataclass(frozen=True, slots=True)
class Output:
    """The tensor of a method, (rows,) or (rows, classes or outputs). `kind` is "double", "string", "int64" or "bool"."""

    name: str
    kind: str


@dataclass(frozen=True)
class CompiledModel:
    model: onnx.ModelProto
    """The graph for `mlflow.onnx`, with one tensor per column."""
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    tolerance: float = TOLERANCE

    @cached_property
    def packed_model(self) -> bytes:
        packed = pack(self.model, self.inputs, {output.name: output.kind for output in self.outputs})
        return packed.SerializeToString()

    def metadata(self) -> Mapping[str, Any]:
        return {
            "inputs": [asdict(column) for column in self.inputs],
            "outputs": [asdict(output) for output in self.outputs],
        }


def compile(model: Any, signature: Signature) -> CompiledModel:
    """`model` is a fitted estimator or Pipeline with the interface of scikit-learn. The result is not verified yet.

    Raises CannotCompile.
    """
    libraries = [module for library, module in LIBRARY_MODULES.items() if library in sys.modules]
    for module in (*ESTIMATOR_MODULES, *libraries):
        importlib.import_module(f"modelserve_control.compile.{module}")
    inputs = tuple(map(make_input, signature.columns))
    graph = Graph()
    parts = tuple(Part(column.name, column.width, column.kind == "string", column.nullable) for column in inputs)
    features = Features(parts, signature.names if signature.named else None)
    check_names(model, features)
    try:
        methods = predict(graph, model, features)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise refuse(model, f"has an unknown form ({type(error).__name__}: {error})") from error
    outputs = make_outputs(model, methods)
    infos = [helper.make_tensor_value_info(i.name, TYPES[i.kind], [None, i.width]) for i in inputs]
    inputs = tuple(replace(column, lower=column.name in graph.lowered) for column in inputs)
    for name in graph.lowered:
        if {node.op_type for node in graph.nodes if name in node.input} - {"Reshape", "Equal"}:
            raise CannotCompile(
                f"A vectorizer uses the column {name} in lower case, but another step uses it unchanged."
            )
    made = graph.model(infos, {output.name: (methods[output.name], output.kind) for output in outputs})
    single = type(model).__module__.startswith("keras.")
    return CompiledModel(made, inputs, outputs, FLOAT32_TOLERANCE if single else TOLERANCE)


def make_input(column: Column) -> Input:
    kind, nullable = column.kind, not column.required
    if isinstance(kind, Tensor):
        if len(kind.shape) != 1 or kind.shape[0] < 1 or kind.dtype.kind not in "fiub":
            raise CannotCompile(f"The tensor {column.name} is not a table of numbers with a fixed number of columns.")
        return Input(column.name, "double", kind.shape[0], exact_integers=is_long(kind.item))
    if isinstance(kind, String):
        return Input(column.name, "string", nullable=nullable)
    if isinstance(kind, (IntegerType, FloatType, Boolean)):
        return Input(column.name, "double", nullable=nullable, exact_integers=is_long(kind))
    raise CannotCompile(f"The column {column.name} has the type {kind.name}, which has no compiled form.")


def is_long(kind: ColumnType) -> bool:
    return isinstance(kind, IntegerType) and kind.high > 1 << 53


def check_names(model: Any, features: Features) -> None:
    """A model that does not start with a ColumnTransformer requires the order of its columns."""
    first = model.steps[0][1] if type(model) is Pipeline else model
    fitted = getattr(first, "feature_names_in_", None)
    if fitted is None or features.names is None or type(first).__name__ == "ColumnTransformer":
        return
    if list(fitted) != list(features.names):
        raise refuse(first, "was fitted on other columns than the signature has, or in another order")


def make_outputs(model: Any, methods: Methods) -> tuple[Output, ...]:
    expected = [name for name in METHODS if hasattr(model, name)]
    absent = [name for name in expected if name not in methods]
    if absent or "predict" not in expected:
        raise refuse(last_step(model), f"has no compiled {absent[0] if absent else 'predict'}")
    classifies = getattr(model, "classes_", None) is not None
    labels = NUMPY_TYPES[class_labels(last_step(model)).dtype.kind] if classifies else "double"
    return tuple(Output(name, labels if name == "predict" else "double") for name in expected)


def last_step(model: Any) -> Any:
    return last_step(model.steps[-1][1]) if type(model) is Pipeline else model
