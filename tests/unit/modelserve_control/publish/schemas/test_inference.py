"""What a fitted model knows of its columns, and what a sample becomes for a model without a signature."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.feature_extraction import DictVectorizer, FeatureHasher
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder

from modelserve.core.errors import ServeError
from modelserve_control.batch.rows.inputs import find_inputs
from modelserve_control.common.output import texts_advice
from modelserve_control.publish.schemas.inference import read_columns

RIDES: Final[Any] = pd.DataFrame(
    {"PULocationID": ["43", "7", "43", "151"] * 3, "miles": [1.5, 2.0, 4.0, 2.5] * 3, "zone": [1, 2, 2, 1] * 3}
)
MINUTES: Final = RIDES["miles"] * 3
USED: Final[Any] = RIDES[["PULocationID", "miles"]]
TAXI: Final = make_pipeline(DictVectorizer(), LinearRegression())
SPLIT: Final = make_column_transformer(
    (make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder()), ["PULocationID"]),
    (OrdinalEncoder(), ["zone"]),
    ("passthrough", ["miles"]),
)
# Each with the columns that it takes of a file that has more.
MODELS: Final[dict[str, tuple[Any, list[str]]]] = {
    "DictVectorizer": (TAXI.fit(USED.to_dict("records"), MINUTES), list(USED)),
    "search": (GridSearchCV(TAXI, {}, cv=2).fit(USED.to_dict("records"), MINUTES), list(USED)),
    "encoder": (
        make_pipeline(OneHotEncoder(handle_unknown="ignore"), LinearRegression()).fit(RIDES[["PULocationID"]], MINUTES),
        ["PULocationID"],
    ),
    "regressor of a transformed target": (
        TransformedTargetRegressor(make_pipeline(OneHotEncoder(), LinearRegression())).fit(
            RIDES[["PULocationID"]], MINUTES
        ),
        ["PULocationID"],
    ),
    "ColumnTransformer": (
        make_pipeline(SPLIT, LinearRegression()).fit(RIDES.assign(dropped=1), MINUTES),
        ["PULocationID", "miles", "zone"],
    ),
}


def write_rows(folder: Path, name: str, rows: pd.DataFrame) -> Path:
    path = folder / name
    if path.suffix == ".csv":
        rows.to_csv(path, index=False)
    else:
        path.write_text(json.dumps(rows.to_dict("records")))
    return path


@pytest.mark.parametrize("name", MODELS)
def test_a_sample_has_the_columns_of_the_model_and_texts_where_it_knows_texts(name: str, tmp_path: Path) -> None:
    model, columns = MODELS[name]
    found = read_columns(write_rows(tmp_path, "rides.csv", RIDES.assign(duration=MINUTES)), model).columns
    assert list(found) == columns
    assert found["PULocationID"].tolist() == list(RIDES["PULocationID"])
    rows: Any = pd.DataFrame(found)
    expected: Any = RIDES.assign(dropped=1)[[*columns, *(["dropped"] if name == "ColumnTransformer" else [])]]
    if find_inputs(model).takes_dicts:
        rows, expected = rows.to_dict("records"), expected.to_dict("records")
    assert np.array_equal(model.predict(rows), model.predict(expected))


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        (
            "rides.csv",
            {"PULocationID": "43.0"},
            "No value of PULocationID in rides.csv is one that the model knows, such as '151'. It has '43.0' for '43': "
            + texts_advice(["PULocationID"]),
        ),
        (
            "rides.csv",
            {"PULocationID": "JFK"},
            "No value of PULocationID in rides.csv is one that the model knows, such as '151'.",
        ),
        ("rides.json", {"PULocationID": 43}, "12 cells do not fit the model's signature."),
    ],
)
def test_values_that_the_model_takes_for_others_are_refused(
    name: str, file: str, change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ServeError) as raised:
        read_columns(write_rows(tmp_path, file, RIDES.assign(**change)), MODELS[name][0])
    assert raised.value.message == message


@pytest.mark.parametrize(
    ("name", "rows", "message"),
    [
        ("DictVectorizer", RIDES.assign(miles="far"), "The model takes numbers for miles, and rides.csv has texts."),
        ("DictVectorizer", RIDES[["miles"]], "The model takes PULocationID, which rides.csv lacks; it has miles."),
        (
            "ColumnTransformer",
            RIDES.assign(zone=9),
            "No value of zone in rides.csv is one that the model knows, such as 1.",
        ),
    ],
)
def test_a_sample_that_does_not_fit_is_named(name: str, rows: pd.DataFrame, message: str, tmp_path: Path) -> None:
    with pytest.raises(ServeError) as raised:
        read_columns(write_rows(tmp_path, "rides.csv", rows), MODELS[name][0])
    assert raised.value.message.startswith(message)


def test_a_hasher_keeps_nothing_so_the_file_must_say_what_is_a_text(tmp_path: Path) -> None:
    model = make_pipeline(FeatureHasher(8), LinearRegression()).fit(USED.to_dict("records"), MINUTES)
    with pytest.raises(ServeError, match=r"which of them PULocationID, miles are: give a \.parquet, \.json or \.jsonl"):
        read_columns(write_rows(tmp_path, "rides.csv", USED), model)
    found = read_columns(write_rows(tmp_path, "rides.json", USED), model).columns
    assert found["PULocationID"].tolist() == list(USED["PULocationID"])


@pytest.mark.parametrize(
    "model",
    [
        None,
        LinearRegression().fit([[1.0], [2.0]], [1, 2]),
        make_pipeline(FunctionTransformer(abs), DictVectorizer()),
        make_pipeline(OneHotEncoder()).fit([["43"], ["7"]]),
    ],
)
def test_of_other_models_nothing_is_known(model: Any) -> None:
    assert (find_inputs(model).names, find_inputs(model).texts) == ((), [])
