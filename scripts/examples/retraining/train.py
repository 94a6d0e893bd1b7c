"""The command of a policy: `python -m examples.retraining.train flights ROWS MODEL` saves an MLflow model in MODEL."""

import sys
from pathlib import Path

import pandas as pd

from examples import flight_duration, telco_churn
from modelserve_control.common.mlflow_logging import mlflow
from modelserve_control.local import tracking


def train(example: str, rows: Path, directory: Path) -> None:
    table = pd.read_parquet(rows)
    if example == "flights":
        features, truth, trusted = table[["origin_dest", "distance"]], table["air_time"], flight_duration.TRUSTED
        model = flight_duration.pipeline()
    else:
        features, truth, trusted = table.drop(columns="churn"), table["churn"], telco_churn.TRUSTED
        model = telco_churn.pipeline(features)
    model.fit(features, truth)
    mlflow.sklearn.save_model(
        model,
        str(directory),
        # From every row, so that a column with a null is an optional one.
        signature=mlflow.models.infer_signature(features, model.predict(features.head(1000))),
        input_example=features.head(3),
        serialization_format="skops",
        skops_trusted_types=trusted,
        pip_requirements=tracking.requirements(),
    )


if __name__ == "__main__":
    train(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
