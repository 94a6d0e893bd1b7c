"""The examples of this repository: three Telco pipelines and the flights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from examples import flight_duration, telco_churn
from proving import prove


def telco() -> tuple[pd.DataFrame, Any]:
    table = telco_churn.customers()
    return table.drop(columns="churn"), table["churn"]


def forest(features: pd.DataFrame) -> Any:
    encode = telco_churn.pipeline(features)[0]
    return make_pipeline(encode, RandomForestClassifier(100, max_depth=12, n_jobs=1, random_state=1))


def boosting(features: pd.DataFrame) -> Any:
    texts = [name for name in features.columns if name not in telco_churn.NUMBERS]
    unknown = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    encode = make_column_transformer((unknown, texts), remainder="passthrough")
    return make_pipeline(encode, HistGradientBoostingClassifier(random_state=1))


@pytest.mark.parametrize("make", [telco_churn.pipeline, forest, boosting], ids=["logistic", "forest", "boosting"])
def test_the_churn_pipelines_compile(make: Any) -> None:
    features, churn = telco()
    proof = prove(make(features), features, churn)
    assert proof.report.greatest_difference < 1e-12
    assert proof.report.ties == 0


def test_dicts_of_columns_are_one_hot_by_name() -> None:
    table = flight_duration.flights().sample(5_000, random_state=1)
    features = table[["origin_dest", "distance"]]
    proof = prove(flight_duration.pipeline(), features, table["air_time"])
    assert proof.report.greatest_difference < 1e-12
    assert np.isfinite(proof.report.greatest_difference)


def test_a_model_that_was_fitted_on_dicts_gets_dicts() -> None:
    table = flight_duration.flights().sample(1_000, random_state=1)
    features = table[["origin_dest", "distance"]]
    model = make_pipeline(DictVectorizer(), LinearRegression()).fit(features.to_dict("records"), table["air_time"])
    assert prove(model, features).report.greatest_difference < 1e-9
