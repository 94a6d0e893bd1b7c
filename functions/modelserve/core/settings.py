"""The only reader of the environment. To add a setting, add a field to `Settings` and its row to docs/settings.md."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any

from modelserve.core.errors import BadSetting

TRUE = frozenset({"1", "true", "yes", "on"})
FALSE = frozenset({"0", "false", "no", "off", ""})
MIB = 1 << 20


def setting(default: Any, help: str, range: tuple[float, float] | None = None, choices: tuple[str, ...] = ()) -> Any:
    return field(default=default, metadata={"help": help, "range": range, "choices": choices})


# fmt: off
@dataclass(frozen=True)
class Settings:
    """Each field is the environment variable of the same name in capitals. Sizes are in bytes, times in seconds."""

    model_uri: str = setting("", "The model: gs://B/models/N@ALIAS, gs://B/models/N/versions/7, or any gs:// or local directory with an MLmodel.")
    model_name: str = setting("", "The name of a model without a manifest. Default: the name of its directory.")
    model_trust: str = setting("strict", "strict: nothing is loaded that can run code. pickle: everyone who can write to the bucket can run code here.", choices=("strict", "pickle"))
    model_refresh_seconds: float = setting(15.0, "How long an alias is cached. It is read again by one small conditional request in the background. Until a first version is active, it is read at least once a second.", range=(0.05, 86_400))
    model_max_stale_seconds: float = setting(60.0, "How long a version may answer after the alias was last read. A request that comes later, because the process had no processor meanwhile, waits at most 300 ms for one read; if another version is named, it waits for it at most LOAD_WAIT_SECONDS. Within this time a version that was rolled back no longer answers.", range=(0.05, 86_400))
    model_cache_dir: str = setting("", "Where versions are downloaded and kept until they are retired. Default: a private temporary directory (in memory on Cloud Run), which is removed when the version is retired and when the process exits.")
    load_wait_seconds: float = setting(60.0, "How long a request waits for the first model, before it gets 503 with Retry-After. A native model takes 5 to 20 s to start.", range=(0.1, 600))
    load_timeout_seconds: float = setting(600.0, "How long a version may take from reading its manifest to scoring its sample, before it is given up with an error. 5 GB take that long from Cloud Storage at 10 MB/s; publishing has the same limit.", range=(0.1, 86_400))
    max_request_bytes: int = setting(8 * MIB, "The longest body. Decoding takes up to 24 times as much memory in a process of its own. With 8 MiB, server and decoder stay far below 1 GiB, and other requests wait less than 50 ms.", range=(1, 512 * MIB))
    max_held_bytes: int = setting(32 * MIB, "How many bytes of bodies over 32 KiB may be in memory at once. A request over the limit gets 429 immediately; a single body always fits. Four bodies of the maximum size are decoded well within the request timeout.", range=(1, 4096 * MIB))
    max_rows: int = setting(10_000, "The most rows in one request. A native model scores as many well within the request timeout. Use `modelserve score` for more.", range=(1, 10_000_000))
    max_cells: int = setting(1_000_000, "The most values in one request, including rows and values inside arrays and objects: 98 columns at MAX_ROWS. They are counted before memory is allocated for them.", range=(1, 1_000_000_000))
    max_columns: int = setting(10_000, "The most columns in one row, including extra ones: each takes memory before the signature can refuse it.", range=(1, 1_000_000))
    max_depth: int = setting(32, "The deepest nesting of a JSON body. The deepest form has six levels, and a decoder recurses once per level.", range=(2, 500))
    predict_timeout_seconds: float = setting(8.0, "The timeout of one request. It is below the 10 s between SIGTERM and SIGKILL, so that an accepted request is answered.", range=(0.05, 3_600))
    max_batch_rows: int = setting(1_000, "The most rows merged into one model call. For a small pipeline 100 rows take as long as one row, and 1,000 rows a fifth longer.", range=(1, 1_000_000))
    max_pending_rows: int = setting(100_000, "The most rows waiting for the model. More could not be answered before the request timeout, so they get 429 immediately.", range=(1, 100_000_000))
    parquet: bool = setting(True, "Accept Parquet bodies. false: they get 415, and no process is started for them.")
    docs: bool = setting(True, "Answer GET /docs, and GET / of a browser, with a page to try the model. false: both are as if there were none.")
    unknown_categories: str = setting("accept", "A text that is none of the categories that a compiled model knows. accept: scored as the model does, and counted in X-Unknown-Categories. reject: a bad cell.", choices=("accept", "reject"))
    cors_origins: str = setting("", "The origins whose pages may call the service from a browser, separated by commas, for example https://app.example. *: every page.")
    metrics: bool = setting(False, "Answer GET /metrics. Off on a public function, on in GKE.")
    log_level: str = setting("INFO", "The lowest severity that is logged.", choices=("DEBUG", "INFO", "WARNING", "ERROR"))
    predictions_topic: str = setting("", "Where prediction events are published: projects/P/topics/T, or T in GOOGLE_CLOUD_PROJECT.")
    dead_letter_topic: str = setting("", "Where messages that can never be scored are published, with the reason.")
    google_cloud_project: str = setting("", "The project of topics and subscriptions that are named without one.")
    event_features_field: str = setting("", "The field of an event that holds the record, for example ride.")
    event_id_field: str = setting("", "The field of an event that holds its id, for example ride_id; the prediction contains it.")
    event_max_age_seconds: float = setting(86_400.0, "A message older than this goes to the dead letter topic and is not retried.", range=(1, 31 * 86_400))
    publish_timeout_seconds: float = setting(5.0, "How long an event waits for Pub/Sub to accept its results before it asks to be redelivered.", range=(0.1, 600))
    ordered_predictions: bool = setting(False, "true: each prediction event has its id as ordering key, for subscribers that read in order; each then takes a request of its own. false: no key, and many events share a request.")
    dry_run: bool = setting(False, "Score events, return the predictions in the response body, and publish nothing.")
    results_bucket: str = setting("", "A bucket in which each result is also stored, as an object that is created once.")
    subscription: str = setting("", "Worker: the subscription to pull from: projects/P/subscriptions/S, or S in GOOGLE_CLOUD_PROJECT.")
    max_leased_messages: int = setting(1_000, "Worker: the most messages that it holds at once. Pub/Sub gives the others to other workers.", range=(1, 100_000))
    max_leased_bytes: int = setting(64 * MIB, "Worker: the most bytes of the messages that it holds at once. Messages that are scored together take up to 20 times their size in memory.", range=(1, 4096 * MIB))
    host: str = setting("0.0.0.0", "Container: the address it listens on.")  # noqa: S104 - a container is reached from outside
    port: int = setting(8080, "Container: the port it listens on.", range=(1, 65_535))
    aip_http_port: int = setting(0, "Vertex AI's name for the port of a container. Unless it is 0, it replaces PORT.", range=(0, 65_535))
    load_before_listen: bool = setting(True, "Open the port when a version is active, so that a probe of the port alone means ready. A version that cannot be loaded, or not within LOAD_TIMEOUT_SECONDS and 200 s, opens it too, and readiness says why: a start-up probe must wait longer, and that of Cloud Run waits 240 s. false: the port is open from the start, and requests wait for the version.")
    max_header_bytes: int = setting(64 << 10, "Container: the longest request line and headers together. Only a GET with many columns comes near it.", range=(256, MIB))
    max_connections: int = setting(1_000, "Container: the most open connections. At the limit the connection that has been idle longest is closed; if none is idle, a new one gets 503.", range=(1, 100_000))
    idle_timeout_seconds: int = setting(620, "Container: how long a connection may be idle. Google's load balancers reuse connections for 600 s, so a lower value would close connections that they are about to use.", range=(1, 86_400))
    client_timeout_seconds: float = setting(10.0, "Container: how long a client may take to send a request, or to read its response.", range=(0.1, 3_600))
    drain_seconds: float = setting(1.0, "Container: how long requests are still accepted after SIGTERM, while readiness is 503. Together with PREDICT_TIMEOUT_SECONDS it stays below 10 s.", range=(0.0, 600))
    log_topic: str = setting("", "Where a row for each prediction is published: projects/P/topics/T, or T in GOOGLE_CLOUD_PROJECT. Empty: no prediction log.")
    log_percent: float = setting(100.0, "The percentage of requests that is logged. Each is decoded once more, at idle priority in a process of its own.", range=(0, 100))
    log_without: str = setting("", "Columns that are not logged, separated by commas: what may not leave the service.")
    shadow_model_uri: str = setting("", "The challenger, in any form of MODEL_URI. Responses are compared with its predictions in the background. Empty: no shadow.")
    shadow_percent: float = setting(10.0, "The percentage of responses that is compared. For each, the challenger takes about as much processor time as the active model.", range=(0, 100))
    shadow_topic: str = setting("", "Where differences from the challenger and their counts are published: projects/P/topics/T, or T in GOOGLE_CLOUD_PROJECT.")
    shadow_tolerance: float = setting(1e-6, "How far a number may be from the challenger's, absolutely or relatively. Compiled models are verified to the same tolerance.", range=(0, 1))
    aip_health_route: str = setting("", "Vertex AI's name for the health route.")
    aip_predict_route: str = setting("", "Vertex AI's name for the prediction route.")
    # fmt: on

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Settings:
        """Raises BadSetting, which names every bad setting at once."""
        values: dict[str, Any] = {}
        wrong = []
        for row in fields(cls):
            name = row.name.upper()
            if name in environ:
                try:
                    values[row.name] = parse(environ[name], row.default, **row.metadata)
                except ValueError as error:
                    wrong.append(f"{name} must be {error}")
        if wrong:
            raise BadSetting("; ".join(wrong) + ".")
        return cls(**values)


def parse(text: str, default: Any, help: str, range: tuple[float, float] | None, choices: tuple[str, ...]) -> Any:
    """A value of the type of `default`. Raises ValueError, which says what the text must be."""
    if isinstance(default, bool):
        if text.lower() not in TRUE | FALSE:
            raise ValueError("true or false")
        return text.lower() in TRUE
    if choices and text not in choices:
        raise ValueError("one of " + ", ".join(choices))
    if range is None:
        return text
    low, high = range
    wrong = ValueError(f"a number from {low:,} to {high:,}")
    try:
        value = type(default)(text)
    except ValueError:
        raise wrong from None
    if not low <= value <= high:
        raise wrong
    return value


def google_variable(name: str) -> str:
    """A variable of Google's own clients, such as STORAGE_EMULATOR_HOST; read at each call, as they do."""
    return os.environ.get(name, "")


@cache
def settings() -> Settings:
    return Settings.from_environ(os.environ)
