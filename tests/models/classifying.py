"""Classifiers, in every form that MLflow saves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec
from sklearn.compose import make_column_transformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from models.saving import requirements, save_sklearn, signature

CUSTOMERS = pd.DataFrame(
    {
        "contract": ["month-to-month", "one_year", "two_year", "month-to-month", "one_year", "two_year"],
        "tenure": [1, 20, 60, 3, 41, 70],
        "monthlycharges": [80.5, 60.0, 20.25, 99.9, 79.85, 25.0],
    }
)
CHURN = ["yes", "no", "no", "yes", "no", "no"]
CUSTOMER = {"contract": "string", "tenure": "long", "monthlycharges": "double"}
FLOWERS = pd.DataFrame({"length": [1.0, 1.5, 4.0, 4.5, 6.0, 6.5], "width": [0.2, 0.4, 1.2, 1.4, 2.0, 2.4]})
FLOWER = {"length": "double", "width": "double"}


def pipeline() -> Any:
    encode = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["contract"]), (StandardScaler(), ["tenure", "monthlycharges"])
    )
    return make_pipeline(encode, LogisticRegression()).fit(CUSTOMERS, CHURN)


def churn(path: Path, form: str = "skops") -> Path:
    """Strings and numbers in, `yes` or `no` out."""
    return save_sklearn(pipeline(), path, signature(CUSTOMER, {"churn": "string"}), form, CUSTOMERS.head(3))


def churn_cloudpickle(path: Path) -> Path:
    return churn(path, "cloudpickle")


def churn_pickle(path: Path) -> Path:
    return churn(path, "pickle")


def no_signature(path: Path) -> Path:
    return save_sklearn(pipeline(), path, None)


def string_labels(path: Path) -> Path:
    """Three classes with names."""
    kinds = ["setosa", "setosa", "versicolor", "versicolor", "virginica", "virginica"]
    return save_sklearn(LogisticRegression().fit(FLOWERS, kinds), path, signature(FLOWER, {"kind": "string"}))


def integer_labels(path: Path) -> Path:
    """Three classes with numbers that are not their places: 10, 20, 30."""
    model = LogisticRegression().fit(FLOWERS, [10, 10, 20, 20, 30, 30])
    return save_sklearn(model, path, signature(FLOWER, {"kind": "long"}))


def tensor(path: Path) -> Path:
    """An unnamed float64 tensor of shape (-1, 2) in, a class out."""
    model = LogisticRegression().fit(FLOWERS.to_numpy(), [0, 0, 1, 1, 2, 2])
    double, long = np.dtype("float64"), np.dtype("int64")
    described = ModelSignature(Schema([TensorSpec(double, (-1, 2))]), Schema([TensorSpec(long, (-1,))]))
    return save_sklearn(model, path, described)


def boosted(path: Path) -> Path:
    """LightGBM through its own flavor: the answer is the probability of the second class."""
    import lightgbm
    import mlflow.lightgbm

    rows = pd.concat([FLOWERS] * 10, ignore_index=True)
    data = lightgbm.Dataset(rows, label=[0, 0, 0, 1, 1, 1] * 10)
    options = {"objective": "binary", "num_threads": 1, "min_data_in_leaf": 1, "deterministic": True, "verbose": -1}
    model = lightgbm.train(options, data, num_boost_round=5)
    described = signature(FLOWER, {"probability": "double"})
    mlflow.lightgbm.save_model(model, path, signature=described, pip_requirements=requirements("lightgbm"))
    return path


def dropping(path: Path) -> Path:
    """Answers `small` or `large` by `x`, and drops the rows without a `y`, as a pipeline that begins with `dropna` does."""
    rows = pd.DataFrame({"x": [-2.0, -1.0, 1.0, 2.0], "y": [0.5, 0.1, 0.2, 0.4]})
    model = make_pipeline(FunctionTransformer(pd.DataFrame.dropna), LogisticRegression())
    described = signature({"x": "double", "y": "double"}, {"size": "string"}, optional=["y"])
    return save_sklearn(model.fit(rows, ["small", "small", "large", "large"]), path, described, "cloudpickle", rows)


def text_series(path: Path) -> Path:
    """Fitted on a Series of texts. Given a frame, the vectorizer reads the names of its columns: one answer in all."""
    texts = pd.Series(["win money", "project report", "free offer", "meeting at noon"], name="text")
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, ["spam", "ham", "spam", "ham"])
    return save_sklearn(model, path, signature({"text": "string"}, {"kind": "string"}), example=texts.to_frame())


def flipping(path: Path, flipped: Sequence[float], rows: int) -> Path:
    """A tree of one double `x`: `yes` to those and to `rows`, `no` to every other whole number below it."""
    table = pd.DataFrame({"x": np.arange(rows + 1.0)})
    model = DecisionTreeClassifier(random_state=0).fit(table, np.where(table["x"].isin([*flipped, rows]), "yes", "no"))
    return save_sklearn(model, path, signature({"x": "double"}, {"label": "string"}), "cloudpickle")
