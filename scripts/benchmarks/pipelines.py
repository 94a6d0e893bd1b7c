"""Pipelines for the churn table with other encoders and classifiers than the example has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow.sklearn
import pandas as pd
from mlflow.models import infer_signature
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder, StandardScaler

from examples import telco_churn
from modelserve.store.trust.trusted_types import TRUSTED
from modelserve_control.local import tracking

SEED = 1


def forest(features: pd.DataFrame) -> Any:
    """The encoders of the example and 100 trees of at most 12 levels."""
    encode = telco_churn.pipeline(features).steps[0][1]
    return make_pipeline(encode, RandomForestClassifier(100, max_depth=12, random_state=SEED))


def boosting(features: pd.DataFrame) -> Any:
    """The classifier accepts nulls, so numbers are neither imputed nor scaled."""
    categories = [name for name in features.columns if name not in telco_churn.NUMBERS]
    ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    encode = make_column_transformer((ordinal, categories), remainder="passthrough")
    return make_pipeline(encode, HistGradientBoostingClassifier(random_state=SEED))


def encoded(_features: pd.DataFrame) -> Any:
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))


def encoded_table() -> pd.DataFrame:
    """Every column as doubles: categories as their places in the order of the alphabet."""
    table = telco_churn.customers().dropna()
    texts = [name for name in table.columns if name not in (*telco_churn.NUMBERS, "churn")]
    table[texts] = OrdinalEncoder().fit_transform(table[texts])
    numbers = table.columns.drop("churn")
    return table.astype(dict.fromkeys(numbers, "float64"))


PIPELINES = {"forest": forest, "boosting": boosting, "encoded": encoded}
TABLES = {"encoded": encoded_table}


def save(name: str, directory: Path) -> None:
    """Fit the pipeline to the whole table and write the MLflow directory."""
    table = TABLES.get(name, telco_churn.customers)()
    features, churn = table.drop(columns="churn"), table["churn"]
    model = PIPELINES[name](features).fit(features, churn)
    mlflow.sklearn.save_model(
        model,
        directory,
        signature=infer_signature(features, model.predict(features)),
        input_example=features.tail(3),
        serialization_format="skops",
        skops_trusted_types=sorted(TRUSTED),
        pip_requirements=tracking.requirements(),
    )
