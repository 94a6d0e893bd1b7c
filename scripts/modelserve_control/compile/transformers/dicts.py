"""A DictVectorizer, alone or behind `to_dict` of pandas: texts become one-hot columns, numbers stay unchanged, in sorted order."""

from typing import Any, Final

from sklearn.feature_extraction import DictVectorizer
from sklearn.preprocessing import FunctionTransformer

from modelserve.models.compiled.packing import NULL_TEXT
from modelserve_control.compile.errors import refuse
from modelserve_control.compile.onnx.features import Features, Part
from modelserve_control.compile.onnx.graph import Graph
from modelserve_control.compile.onnx.lookup import Codes, lookup, one_hot_features
from modelserve_control.compile.registry import transforms

PANDAS: Final = ("pandas.core.methods.to_dict.to_dict", "pandas.core.frame.DataFrame.to_dict")


def makes_dicts(steps: list[Any]) -> bool:
    """Whether the first two steps are `to_dict(orient="records")` of pandas and a DictVectorizer."""
    if len(steps) < 2 or type(steps[0]) is not FunctionTransformer or type(steps[1]) is not DictVectorizer:
        return False
    function = steps[0].func
    name = f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', '')}"
    return name in PANDAS and (steps[0].kw_args or {}) == {"orient": "records"}


@transforms(DictVectorizer)
def vectorize_columns(graph: Graph, model: Any, features: Features) -> Features:
    """Each entry of the vocabulary is a number column, or a category of a text column (`name=value`)."""
    if features.names is None:
        raise refuse(model, "gets columns without names")
    names, width = features.names, len(model.vocabulary_)
    texts = [i for i, part in enumerate(features.parts) if part.text]
    if any(part.nullable for part in features.parts if part.text):
        raise refuse(model, "would read a null text as a number, so its columns must be required")
    parts: list[Part] = []
    if texts:
        columns = [codes(model, names[i]) for i in texts]
        parts.extend(one_hot_features(lookup(graph, features.select(graph, texts), columns), width).parts)
    known = [i for i in range(len(names)) if i not in texts and names[i] in model.vocabulary_]
    if not known:
        return Features(tuple(parts))
    return order_columns(graph, model, features.select(graph, known), parts)


def codes(model: Any, name: str) -> Codes:
    start = f"{name}{model.separator}"
    found = {key[len(start) :]: place for key, place in model.vocabulary_.items() if key.startswith(start)}
    return Codes(found or {NULL_TEXT: len(model.vocabulary_)}, len(model.vocabulary_))


def order_columns(graph: Graph, model: Any, chosen: Features, parts: list[Part]) -> Features:
    width = len(model.vocabulary_)
    number = {model.vocabulary_[name]: i for i, name in enumerate(chosen.names or ())}
    if not parts:
        order = [number[place] for place in range(width) if place in number]
        return chosen.select(graph, order)
    order = [width + number[place] if place in number else place for place in range(width)]
    return Features((*parts, *chosen.parts)).select(graph, order)
