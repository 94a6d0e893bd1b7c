"""The way of the tutorials: load with pyfunc on import, build a DataFrame from the body, predict."""

import os

import functions_framework
import mlflow.pyfunc
import pandas as pd

model = mlflow.pyfunc.load_model(os.environ["MODEL"])


@functions_framework.http
def predict(request):  # type: ignore[no-untyped-def]  # as in a tutorial
    frame = pd.DataFrame(request.get_json()["dataframe_records"])
    return {"predictions": model.predict(frame).tolist()}
