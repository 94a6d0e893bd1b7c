"""A BentoML service with adaptive batching, based on the examples of BentoML."""

import os
from typing import Any

import bentoml  # type: ignore[import-not-found]  # it is installed in the peer's own environment
import mlflow.pyfunc
import pandas as pd


@bentoml.service(workers=1)
class Scorer:
    def __init__(self) -> None:
        self.model = mlflow.pyfunc.load_model(os.environ["MODEL"])

    # Rows instead of a DataFrame: 1.4.39 takes the size of a DataFrame for a tuple and never answers a batch.
    @bentoml.api(route="/invocations", batchable=True, max_batch_size=1600, max_latency_ms=1000)  # type: ignore[untyped-decorator]  # the same
    def predict(self, rows: list[dict[str, Any]]) -> list[Any]:
        labels: list[Any] = self.model.predict(pd.DataFrame(rows)).tolist()
        return labels
