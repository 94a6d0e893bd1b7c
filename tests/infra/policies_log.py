"""The prediction log: who writes it, and that its table takes what the code writes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from infra.resources import Resource, functions, model_of, of
from modelserve.core.settings import Settings
from modelserve.events.results import prediction_id
from modelserve.prediction_log.rows import RowMaker
from modelserve.prediction_log.sender import Answered

# What a JSON value may become by the table's schema: https://cloud.google.com/pubsub/docs/bigquery#schema_compatibility
TYPES: Final = {str: {"STRING"}, float: {"FLOAT"}, int: {"INTEGER"}}


def only_who_serves_logs_predictions(resources: Sequence[Resource]) -> Iterator[str]:
    """The accounts of each model's functions, and the pods that serve `model`."""
    wanted = set()
    accounts = {one["email"]: one["member"] for _, one in of(resources, "google_service_account")}
    names = {one["id"]: one["name"] for _, one in of(resources, "google_pubsub_topic")}
    pods = {
        one["member"]
        for _, one in of(resources, "google_storage_bucket_iam_member")
        if one["bucket"].endswith("-models") and one["member"].startswith("principal://")
    }
    for address, one in functions(resources):
        service = one["service_config"][0]
        topic = names.get(service["environment_variables"].get("LOG_TOPIC"))
        if topic != f"{model_of(one)}-prediction-log":
            yield f"{address} logs to {topic}"
        members = {accounts[service["service_account_email"]], *(pods if one["name"] == "modelserve-predict" else ())}
        wanted |= {(topic, member) for member in members}
    granted = {
        (one["topic"], one["member"])
        for _, one in of(resources, "google_pubsub_topic_iam_member")
        if str(one["topic"]).endswith("-prediction-log")
    }
    for topic, member in sorted(granted ^ wanted, key=str):
        yield f"{member} publishes to {topic} and does not serve, or serves and may not"


def the_log_has_the_columns_that_are_written(resources: Sequence[Resource]) -> Iterator[str]:
    tables = [
        (address, one) for address, one in of(resources, "google_bigquery_table") if "prediction_log" in one["table_id"]
    ]
    fed = {
        config["table"].rpartition(".")[2]
        for _, one in of(resources, "google_pubsub_subscription")
        for config in one["bigquery_config"]
        if config["use_table_schema"] and not config["write_metadata"]
    }
    if not tables:
        yield "There is no table of the log"
    for address, one in tables:
        schema = {column["name"]: column for column in json.loads(one["schema"])}
        if one["table_id"] not in fed:
            yield f"{address} is not written by its columns"
        for row in rows():
            yield from (f"{address} has {name}, which is not written" for name in schema.keys() - row.keys())
            for name, value in row.items():
                if not fits(name, value, schema.get(name, {})):
                    yield f"{address} does not take {name}, such as {value!r}"
        [days] = one["time_partitioning"]
        if schema.get(days["field"], {}).get("type") != "TIMESTAMP" or not days["expiration_ms"]:
            yield f"{address} has no days, or keeps them for ever"
        if not set(one["clustering"] or []) or not set(one["clustering"]) <= schema.keys():
            yield f"{address} is not clustered by its columns"


def fits(name: str, value: Any, column: dict[str, Any]) -> bool:
    if column.get("mode") != "NULLABLE":  # what is not in a message is null
        return False
    if name == "time":
        return column["type"] == "TIMESTAMP" and datetime.fromisoformat(value).utcoffset() is not None
    return value is None or column["type"] in TYPES[type(value)]


def rows() -> list[dict[str, Any]]:
    """What the process of the log publishes of a request, and of an event."""
    event_id = prediction_id("m1", 0)
    answer = json.dumps([{"prediction_id": event_id, "prediction": {"prediction": "yes"}}]).encode()
    body = b'{"tenure": 3}'
    answered = (
        Answered(
            False, "POST", b"/predict", b"predict_method=predict", b"application/json", body, b'{"prediction": "yes"}',
            "churn", "7", b"r1", 1e9, milliseconds=1.5, caller_id=b"order-7", unknown_categories=[1],
        ),
        Answered(True, "", b"", b"", b"", body, answer, "churn", "7", b"m1", 1e9),
    )  # fmt: skip
    maker = RowMaker(Settings.from_environ({}))
    return [row for one in answered for row in maker.make_rows(one)]
