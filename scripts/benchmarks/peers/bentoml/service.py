"""A BentoML service whose concurrent requests are merged into one call, after its own examples of adaptive batching."""

import os
from typing import Any

import bentoml  # type: ignore[import-not-found]  # it lives in the peer's own environment
import mlflow.pyfunc
import pandas as pd


@bentoml.service(workers=1)
class Scorer:
    def __init__(self) -> None:
        self.model = mlflow.pyfunc.load_model(os.environ["MODEL"])

    # Rows and not a DataFrame: 1.4.39 counts a DataFrame's size as a tuple, and never answers a batch of them.
    @bentoml.api(route="/invocations", batchable=True, max_batch_size=1600, max_latency_ms=1000)  # type: ignore[untyped-decorator]  # the same
    def predict(self, rows: list[dict[str, Any]]) -> list[Any]:
        labels: list[Any] = self.model.predict(pd.DataFrame(rows)).tolist()
        return labels
