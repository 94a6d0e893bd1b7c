"""functions-framework in its default mode with a constant answer."""

import flask
import functions_framework


@functions_framework.http
def predict(request: flask.Request) -> flask.Response:
    request.get_data()
    return flask.Response(b'{"predictions":["no"]}', mimetype="application/json")
