"""What the tutorials do: load with pyfunc when the module is imported, build a DataFrame from the body, predict."""

import os

import functions_framework
import mlflow.pyfunc
import pandas as pd

model = mlflow.pyfunc.load_model(os.environ["MODEL"])


@functions_framework.http
def predict(request):  # type: ignore[no-untyped-def]  # as a tutorial has it
    frame = pd.DataFrame(request.get_json()["dataframe_records"])
    return {"predictions": model.predict(frame).tolist()}
