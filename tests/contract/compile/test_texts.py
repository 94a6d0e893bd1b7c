"""Bags of words have the tokens of Python's `re`, for every character of Unicode 14."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from onnx import TensorProto, helper
from sklearn.compose import make_column_transformer
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from modelserve_control.compile.onnx.graph import Graph
from modelserve_control.compile.transformers.texts import DEFAULT_PATTERN, PADDING, WORDS
from proving import customers, prove, targets

WORDS_USED = ["great", "Poor", "ÉTÉ", "Straße", "İstanbul", "ΟΔΟΣ", "x", "the", "and", "e-mail", "it's", "42", "_a_"]
VECTORIZERS = [
    CountVectorizer(),
    CountVectorizer(binary=True, max_features=5),
    CountVectorizer(lowercase=False, stop_words="english"),
    TfidfVectorizer(),
    TfidfVectorizer(sublinear_tf=True, norm="l1", min_df=3),
]


def reviews(nulls: bool = False) -> pd.DataFrame:
    table = customers(nulls=False)
    random = np.random.default_rng(5)
    table["review"] = [" ".join(random.choice(WORDS_USED, random.integers(0, 9))) + "!" for _ in range(len(table))]
    if nulls:
        table.loc[::50, "review"] = None
    return table


@pytest.mark.parametrize("vectorizer", VECTORIZERS, ids=lambda value: " ".join(str(value).split()))
def test_bags_of_words_compile(vectorizer: Any) -> None:
    table = reviews()
    encode = make_column_transformer((vectorizer, "review"), ("passthrough", ["monthly"]))
    proof = prove(make_pipeline(encode, LogisticRegression(max_iter=500)), table, targets(table)["two"])
    assert proof.report.greatest_difference < 1e-10


def test_text_is_converted_to_lower_case_before_the_graph() -> None:
    table = reviews()
    encode = make_column_transformer((CountVectorizer(), "review"))
    proof = prove(make_pipeline(encode, LogisticRegression()), table, targets(table)["two"], rows=1_000)
    assert [column.name for column in proof.compiled.inputs if column.lower] == ["review"]


def test_every_known_character_belongs_to_a_word_in_both() -> None:
    graph = Graph()
    found = graph.op("Tokenizer", "x", domain="com.microsoft", mark=0, mincharnum=1, pad_value=PADDING, tokenexp=WORDS)
    text = helper.make_tensor_value_info("x", TensorProto.STRING, [None])
    model = graph.model([text], {"y": (found, "string")})
    characters = [chr(code) for code in range(1, 0x110000) if unicodedata.category(chr(code)) not in ("Cn", "Cs")]
    texts = [f"ab{character}cd" for character in characters]
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    [tokens] = session.run(None, {"x": np.array(texts, dtype=object)})
    pattern = re.compile(DEFAULT_PATTERN)
    wrong = [
        character
        for character, text, row in zip(characters, texts, tokens, strict=True)
        if [token for token in row if token != PADDING] != pattern.findall(text)
    ]
    assert wrong == []
