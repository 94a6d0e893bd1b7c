"""Trains a classifier and saves it at the path given, in whatever environment runs this; prints its rows and what it answers."""

from __future__ import annotations

import json
import sys
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import mlflow.sklearn
import pandas as pd
import skops.io
from mlflow.models import infer_signature
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

PINNED: Final = ("mlflow-skinny", "numpy", "pandas", "scikit-learn", "skops")
ROWS: Final = pd.DataFrame(
    {
        "contract": ["month-to-month", "one_year", "two_year", "month-to-month", "one_year", "two_year"],
        "tenure": [1, 20, 60, 3, 41, 70],
        "monthlycharges": [80.5, 60.0, 20.25, 99.9, 79.85, 25.0],
    }
)


def train(path: Path) -> dict[str, Any]:
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["contract"]), (SimpleImputer(), ["tenure", "monthlycharges"])
    )
    model = make_pipeline(columns, RandomForestClassifier(5, random_state=0))
    model.fit(ROWS, ["yes", "no", "no", "yes", "yes", "no"])
    mlflow.sklearn.save_model(
        model,
        path,
        signature=infer_signature(ROWS, model.predict(ROWS)),
        input_example=ROWS,
        serialization_format="skops",
        skops_trusted_types=skops.io.get_untrusted_types(data=skops.io.dumps(model)),
        pip_requirements=[f"{name}=={version(name)}" for name in PINNED],
    )
    return {"rows": ROWS.to_dict("records"), "probabilities": model.predict_proba(ROWS).tolist()}


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # MLflow advises other types of columns
    print(json.dumps(train(Path(sys.argv[1]))))
