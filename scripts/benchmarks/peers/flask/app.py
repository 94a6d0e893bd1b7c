"""A Flask application with pyfunc, as in blog posts."""

import os

import flask
import mlflow.pyfunc
import pandas as pd

app = flask.Flask(__name__)
model = mlflow.pyfunc.load_model(os.environ["MODEL"])


@app.post("/invocations")
def predict() -> flask.Response:
    frame = pd.DataFrame(flask.request.get_json()["dataframe_records"])
    return flask.jsonify(predictions=model.predict(frame).tolist())
