"""A LitServe server with batching, based on the examples of LitServe: `python server.py PORT`."""

import os
import sys
from itertools import islice
from typing import Any

import litserve  # type: ignore[import-not-found]  # it is installed in the peer's own environment
import mlflow.pyfunc
import pandas as pd


class Scorer(litserve.LitAPI):  # type: ignore[misc]  # its types are not installed
    def setup(self, device: str) -> None:
        self.model = mlflow.pyfunc.load_model(os.environ["MODEL"])

    def decode_request(self, request: dict[str, Any]) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = request["dataframe_records"]
        return rows

    def batch(self, inputs: list[list[dict[str, Any]]]) -> tuple[pd.DataFrame, list[int]]:
        return pd.DataFrame([row for rows in inputs for row in rows]), [len(rows) for rows in inputs]

    def predict(self, batch: tuple[pd.DataFrame, list[int]]) -> tuple[list[Any], list[int]]:
        frame, sizes = batch
        return self.model.predict(frame).tolist(), sizes

    def unbatch(self, output: tuple[list[Any], list[int]]) -> list[list[Any]]:
        labels, sizes = output
        following = iter(labels)
        return [list(islice(following, size)) for size in sizes]

    def encode_response(self, output: list[Any]) -> dict[str, list[Any]]:
        return {"predictions": output}


if __name__ == "__main__":
    api = Scorer(max_batch_size=16, batch_timeout=0.001, api_path="/invocations")
    server = litserve.LitServer(api, accelerator="cpu", devices=1, workers_per_device=1)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, num_api_servers=1)
