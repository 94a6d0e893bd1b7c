"""The native runtime: `mlflow.pyfunc`, any flavor. mlflow, pandas and the model's own packages are imported here.

A scikit-learn model in skops form is loaded without mlflow, whose import takes half of a start. The columns are already
checked, so the model is called without pyfunc's lossy enforcement, on the same values as pyfunc would make of valid input.
Models with type hints are called through pyfunc, which converts.
"""

import inspect
import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from modelserve.models.native import one_pass
from modelserve.models.native.categories import find_categories, with_categories
from modelserve.schema.batch import Batch
from modelserve.schema.signature import Signature
from modelserve.schema.texts import Words
from modelserve.schema.types import Array, String, objects
from modelserve.store.trust.mlmodel import ModelConfig

# Methods of scikit-learn estimators and of what follows their interface, each one row in, one row out.
METHODS: Final = ("predict", "predict_proba", "predict_log_proba", "decision_function")
# Flavors whose models score every row by itself, by construction of their libraries.
ROW_WISE: Final = frozenset({"mlflow.sklearn", "mlflow.lightgbm", "mlflow.xgboost", "mlflow.catboost"})

KERAS: Final = "mlflow.keras"

Call = Callable[..., Any]


class NativeRuntime:
    kind = "native"

    def __init__(
        self,
        calls: Mapping[str, Call],
        estimator: Any,
        config: ModelConfig,
        signature: Signature | None,
        categories: Mapping[str, Sequence[Any]] | None = None,
    ) -> None:
        self.signature = signature
        self.mergeable = config.loader_module in ROW_WISE
        self.calls = calls
        self.estimator = estimator
        self.methods = tuple(sorted(calls, key=lambda name: (name != config.predict_fn, METHODS.index(name))))
        self.classes = find_classes(self.estimator)
        self.nullable_texts = nullable_texts(signature)
        self.takes_dicts = takes_dicts(estimator)
        self.categories = categories or {}
        self.takes_params = {name for name, call in self.calls.items() if accepts_params(call)}

    def score(self, batch: Batch, methods: Sequence[str], params: Mapping[str, Any]) -> dict[str, Any]:
        data = self.model_input(batch)
        if len(methods) > 1 and one_pass.is_known(self.estimator):
            return one_pass.score(self.estimator, data, methods)
        return {name: self._call(name, data, params) for name in methods}

    def _call(self, name: str, data: Any, params: Mapping[str, Any]) -> Any:
        if name in self.takes_params:
            return self.calls[name](data, params=dict(params))
        return self.calls[name](data)

    def model_input(self, batch: Batch) -> Any:
        """A DataFrame, or its rows as dicts; for tensor signatures one array, or a dict of them when they are named."""
        signature = self.signature
        if signature is not None and signature.tensors:
            return dict(batch.columns) if signature.named else next(iter(batch.columns.values()))
        columns: Mapping[str, Any] = batch.columns
        texts = {name: take_texts(one) for name, one in columns.items() if isinstance(one, Words)}
        nulls = [name for name in self.nullable_texts if name not in texts and None in columns[name].tolist()]
        columns = {**columns, **texts, **{name: text_series(columns[name]) for name in nulls}}
        named = signature is None or signature.named
        import pandas as pd

        names: Iterable[Any] = batch.names or (columns if named else map(int, columns))
        frame = pd.DataFrame(dict(zip(names, columns.values(), strict=True)), copy=False)
        if self.categories:
            return with_categories(frame, self.categories)
        return frame.to_dict("records") if self.takes_dicts else frame


def nullable_texts(signature: Signature | None) -> tuple[str, ...]:
    columns = signature.columns if signature is not None else ()
    return tuple(column.name for column in columns if isinstance(column.kind, String) and not column.required)


def take_texts(column: Words) -> Any:
    """As pandas types a column of these texts, in a third of its time."""
    import pandas as pd

    texts = pd.Series(objects(column.words), dtype="str" if None in column.words else None)
    kind: Any = texts.dtype
    if getattr(kind, "storage", None) == "pyarrow":  # Arrow makes a new text for each cell that a model reads
        texts = texts.astype(pd.StringDtype("python", na_value=kind.na_value))
    return texts.array.take(column.places)


def text_series(values: Array) -> Any:
    """Without it pandas types a column of nulls differently, and the answer to a row would depend on the other rows."""
    import pandas as pd

    return pd.Series(values, dtype="str")


def find_calls(pyfunc: Any, loader_module: str, predict_fn: str) -> tuple[dict[str, Call], Any]:
    model = pyfunc._model_impl  # what PyFuncModel.predict calls once it has enforced the signature
    if pyfunc.metadata._is_signature_from_type_hint() or pyfunc.metadata._is_type_hint_from_example():
        return {"predict": TypeHinted(pyfunc)}, None
    if loader_module not in ROW_WISE:
        network: Any = pyfunc.get_raw_model() if loader_module == KERAS else None
        if hasattr(network, "predict"):  # a network that was exported for TensorFlow has none
            network.predict = partial(network.predict, verbose=0)  # or it draws a bar for each call
        return {"predict": getattr(model, predict_fn)}, network
    estimator = pyfunc.get_raw_model()
    if loader_module != "mlflow.sklearn" and not hasattr(estimator, "predict_proba"):
        return {"predict": getattr(model, predict_fn)}, None
    return estimator_calls(estimator, predict_fn), estimator


def estimator_calls(estimator: Any, predict_fn: str) -> dict[str, Call]:
    if predict_fn not in METHODS:
        raise ValueError(f"predict_fn {predict_fn} is not one of {', '.join(METHODS)}")
    return {name: getattr(estimator, name) for name in METHODS if hasattr(estimator, name)}


def find_classes(estimator: Any) -> tuple[Any, ...] | None:
    """The labels of a classifier. None for several outputs, each with labels of its own."""
    classes = getattr(estimator, "classes_", None)
    if classes is None or any(hasattr(label, "__len__") and not isinstance(label, str) for label in classes):
        return None
    return tuple(getattr(classes, "tolist", lambda: classes)())


class TypeHinted:
    """A Python model with type hints takes a list of the hinted type; pyfunc converts and validates it."""

    def __init__(self, pyfunc: Any) -> None:
        self.pyfunc = pyfunc
        self.nameless = not pyfunc.metadata.get_input_schema().has_input_names()

    def __call__(self, data: Any, params: Mapping[str, Any]) -> Any:
        return self.pyfunc.predict(data.iloc[:, 0].tolist() if self.nameless else data, params=dict(params) or None)


def accepts_params(call: Call) -> bool:
    try:
        found = inspect.signature(call).parameters.get("params")
    except (TypeError, ValueError):
        return False
    return found is not None and found.kind is not inspect.Parameter.VAR_KEYWORD


def takes_dicts(estimator: Any) -> bool:
    """Whether it begins with a step that takes a list of dicts and no DataFrame: DictVectorizer or FeatureHasher."""
    steps = getattr(getattr(estimator, "best_estimator_", estimator), "steps", None)
    if steps:
        return takes_dicts(steps[0][1])
    kind = type(estimator).__name__
    return kind == "DictVectorizer" or (kind == "FeatureHasher" and estimator.input_type == "dict")


def preload(packages: Collection[str]) -> None:
    """Import the packages of a version while its bytes arrive. The load step reports what is missing."""
    names = ["pandas", "skops.io" if "skops" in packages else "mlflow.pyfunc"] if packages else []
    if "scikit-learn" in packages:
        names.insert(1, "sklearn.pipeline")
    with suppress(ImportError):
        for name in names:
            import_module(name)


def load(directory: Path, config: ModelConfig, signature: Signature | None) -> NativeRuntime:
    flavor = config.flavors.get("sklearn", {})
    file = flavor.get("pickled_model")
    if config.loader_module == "mlflow.sklearn" and flavor.get("serialization_format") == "skops" and file is not None:
        import skops.io

        # Policy has looked at the types.
        types = list(flavor.get("skops_trusted_types") or ())
        estimator = skops.io.load(directory / file, trusted=types)
        calls = estimator_calls(estimator, config.predict_fn)
        return NativeRuntime(calls, estimator, config, signature, find_categories(estimator))
    backend = config.flavors.get("keras", {}).get("keras_backend")
    if isinstance(backend, str):
        os.environ.setdefault("KERAS_BACKEND", backend)  # Keras reads it when it is imported
    import mlflow.pyfunc

    pyfunc = mlflow.pyfunc.load_model(str(directory))
    calls, estimator = find_calls(pyfunc, config.loader_module, config.predict_fn)
    categories = find_categories(pyfunc.get_raw_model()) if config.loader_module in ROW_WISE else {}
    return NativeRuntime(calls, estimator, config, signature, categories)
