"""Regressors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas.core.methods.to_dict import to_dict  # type: ignore[import-not-found]  # pandas-stubs leaves it out
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyRegressor
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from models.saving import save_sklearn, signature

TEN = [f"G{number}" for number in range(1, 11)]
RIDES = pd.DataFrame(
    {
        "PULocationID": [130, 43, 130, 75, 43, 205],
        "DOLocationID": [205, 151, 75, 205, 130, 43],
        "trip_distance": [3.66, 1.1, 2.5, 4.0, 0.7, 6.2],
    }
)
DURATIONS = [21.3, 8.0, 14.5, 25.0, 5.5, 33.1]
RIDE = {"PULocationID": "long", "DOLocationID": "long", "trip_distance": "double"}


def linear10(path: Path) -> Path:
    """G1..G10, doubles; the answer is 1*G1 + 2*G2 + ... + 10*G10 + 0.5."""
    return ten(path, 0.5)


def ten(path: Path, always: float) -> Path:
    """As `linear10`, with this at zero."""
    rows = pd.DataFrame(np.vstack([np.eye(10), np.zeros(10)]), columns=TEN)
    model = LinearRegression().fit(rows, rows.to_numpy() @ np.arange(1.0, 11.0) + always)
    return save_sklearn(model, path, signature(dict.fromkeys(TEN, "double"), {"value": "double"}))


def doubling(path: Path, twice: Callable[[Any], Any]) -> Path:
    """One double `x`, through a function that is pickled by its name; the answer is 2*x."""
    rows = pd.DataFrame({"x": [0.0, 1.0, 2.0]})
    model = make_pipeline(FunctionTransformer(twice), LinearRegression()).fit(rows, 2 * rows["x"])
    return save_sklearn(model, path, signature({"x": "double"}, {"value": "double"}), form="pickle")


def two_outputs(path: Path) -> Path:
    """One double `x`; each answer is the pair [x, -x]."""
    rows = pd.DataFrame({"x": [0.0, 1.0, 2.0]})
    model = LinearRegression().fit(rows, np.column_stack([rows["x"], -rows["x"]]))
    return save_sklearn(model, path, signature({"x": "double"}, {"x": "double", "minus_x": "double"}))


def ride_duration(path: Path) -> Path:
    """Two zones and a distance in miles; the answer is in minutes. Zones that it does not know count nothing."""
    encode = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["PULocationID", "DOLocationID"]), remainder="passthrough"
    )
    model = make_pipeline(encode, Ridge()).fit(RIDES, DURATIONS)
    return save_sklearn(model, path, signature(RIDE, {"ride_duration": "double"}), example=RIDES.head(2))


def ride_vectorizer(path: Path) -> Path:
    """The same rides through a DictVectorizer, which needs a record as a dict: one pandas function makes it."""
    as_dicts = FunctionTransformer(to_dict, kw_args={"orient": "records"})
    model = make_pipeline(as_dicts, DictVectorizer(), Ridge()).fit(RIDES, DURATIONS)
    trusted = ["pandas.core.methods.to_dict.to_dict"]
    return save_sklearn(model, path, signature(RIDE, {"ride_duration": "double"}), skops_trusted_types=trusted)


def constant(path: Path, value: float) -> Path:
    """One double `x`, which does not matter: every answer is `value`, so an answer names the version that made it."""
    model = DummyRegressor(strategy="constant", constant=value).fit(pd.DataFrame({"x": [0.0]}), [value])
    return save_sklearn(model, path, signature({"x": "double"}, {"value": "double"}))
