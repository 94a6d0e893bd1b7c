"""Bags of words: counts and weights of tokens by the default pattern of scikit-learn."""

from dataclasses import replace
from typing import Any, Final

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer, TfidfVectorizer

from modelserve.models.compiled.packing import NULL_TEXT
from modelserve_control.compile.errors import refuse
from modelserve_control.compile.onnx.features import Features, numbers
from modelserve_control.compile.onnx.graph import Graph
from modelserve_control.compile.onnx.lookup import encode
from modelserve_control.compile.registry import transforms

DEFAULT_PATTERN: Final = r"(?u)\b\w\w+\b"
# Two or more letters, numerals or underscores, which is what Python's `\w` matches for all characters of Unicode 14.
WORDS: Final = r"[\pL\pN_][\pL\pN_]+"
PADDING: Final = "\uffff"
PLAIN: Final[dict[str, Any]] = {
    "analyzer": "word",
    "token_pattern": DEFAULT_PATTERN,
    "tokenizer": None,
    "preprocessor": None,
    "strip_accents": None,
    "ngram_range": (1, 1),
}


@transforms(CountVectorizer)
def count(graph: Graph, model: Any, features: Features) -> Features:
    for name, plain in PLAIN.items():
        if getattr(model, name) != plain:
            raise refuse(
                model, f"has {name}={getattr(model, name)!r}; only {plain!r} is known to produce the same tokens"
            )
    if features.width != 1 or not features.parts[0].text:
        raise refuse(model, "does not get exactly one text column")
    places = encode(graph, tokens(graph, model, features), *vocabulary(model), len(model.vocabulary_), text=True)
    counts = graph.ones_at(places, len(model.vocabulary_), reduction="add")
    counts = graph.op("Min", counts, 1.0) if model.binary else counts
    if features.nullable:
        # The vectorizer raises for a row without a document.
        absent = graph.op("Equal", features.parts[0].tensor, np.array([NULL_TEXT], dtype=object))
        counts = graph.stop_where(absent, counts)
    return replace(numbers(counts, len(model.vocabulary_)), sparse=True)


def vocabulary(model: Any) -> tuple[list[str], list[int]]:
    words = sorted(model.vocabulary_)
    return words, [int(model.vocabulary_[word]) for word in words]


def tokens(graph: Graph, model: Any, features: Features) -> str:
    """(rows, maximum number of tokens), padded."""
    text = features.parts[0].tensor
    if model.lowercase:
        graph.lowered.add(text)
    return graph.op("Tokenizer", graph.flat(text), domain="com.microsoft", mark=0, mincharnum=1, pad_value=PADDING, tokenexp=WORDS)  # fmt: skip


@transforms(TfidfTransformer)
def weigh(graph: Graph, model: Any, features: Features) -> Features:
    x = features.numbers(graph)
    if model.sublinear_tf:
        logs = graph.op("Add", graph.op("Log", graph.op("Max", x, 1.0)), 1.0)
        x = graph.op("Where", graph.op("Greater", x, 0.0), logs, x)
    if model.use_idf:
        x = graph.op("Mul", x, model.idf_[None])
    if model.norm is not None:
        kind = {"l1": "ReduceL1", "l2": "ReduceL2"}[model.norm]
        length = graph.op(kind, x, np.array([1]), keepdims=1)
        x = graph.op("Div", x, graph.op("Where", graph.op("Equal", length, 0.0), 1.0, length))
    return numbers(x, features.width)


@transforms(TfidfVectorizer)
def count_and_weigh(graph: Graph, model: Any, features: Features) -> Features:
    return weigh(graph, model._tfidf, count(graph, model, features))
