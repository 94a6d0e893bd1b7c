"""The only reader of the environment: one frozen object made from a table of name, type, default, range and reason."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

from modelserve.core.errors import BadSetting

Parse = Callable[[str], Any]

TRUE = frozenset({"1", "true", "yes", "on"})
FALSE = frozenset({"0", "false", "no", "off", ""})


def boolean(text: str) -> bool:
    if text.lower() in TRUE:
        return True
    if text.lower() in FALSE:
        return False
    raise ValueError("true or false")


def one_of(*choices: str) -> Parse:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError("one of " + ", ".join(choices))
        return text

    return parse


def number(kind: type[int] | type[float], low: float, high: float) -> Parse:
    def parse(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = kind(low - 1)
        if not low <= value <= high:
            raise ValueError(f"a number from {low:,} to {high:,}")
        return value

    return parse


def whole(low: int, high: int) -> Parse:
    return number(int, low, high)


@dataclass(frozen=True)
class Setting:
    """One row. `default` None means: the caller must set it where it is needed."""

    name: str
    parse: Parse
    default: Any
    help: str


MIB = 1 << 20

# fmt: off
TABLE: tuple[Setting, ...] = (
    Setting("MODEL_URI", str, "", "The model: gs://B/models/N@ALIAS, gs://B/models/N/versions/7, or any gs:// or local directory with an MLmodel."),
    Setting("MODEL_NAME", str, "", "The name of a model without a manifest. Default: the name of its directory."),
    Setting("MODEL_TRUST", one_of("strict", "pickle"), "strict", "strict: nothing that can run code is loaded. pickle: whoever can write the bucket may run code here."),
    Setting("MODEL_REFRESH_SECONDS", number(float, 0.05, 86_400), 15.0, "How often the alias is read; one small conditional request, off the request path. Until a first version answers, once a second at least."),
    Setting("MODEL_CACHE_DIR", str, "", "Where versions are downloaded, and kept until they are retired. Default: a private temporary directory, in memory on Cloud Run, removed at retirement and at exit."),
    Setting("LOAD_WAIT_SECONDS", number(float, 0.1, 600), 60.0, "How long a request waits for the first model: a native start takes 5 to 20 s; afterwards 503 with Retry-After."),
    Setting("LOAD_TIMEOUT_SECONDS", number(float, 0.1, 86_400), 600.0, "How long a version may take from its manifest to its scored sample: as long as publishing gives it, in which 5 GB come from Cloud Storage at 10 MB/s. Then it is given up, and an error says so."),
    Setting("MAX_REQUEST_BYTES", whole(1, 512 * MIB), 8 * MIB, "The longest body. Decoding one takes up to 24 times as much in a process of its own; with 8 MiB that and the server stay far below 1 GiB, and others wait less than 50 ms."),
    Setting("MAX_HELD_BYTES", whole(1, 4096 * MIB), 32 * MIB, "The most bytes of bodies above 32 KiB in memory at once; one that finds no room gets 429 at once. One always fits. Four of the longest are decoded well within the request budget."),
    Setting("MAX_ROWS", whole(1, 10_000_000), 10_000, "The most rows of one request: what a native model scores well within the request budget. More belong in a batch."),
    Setting("MAX_CELLS", whole(1, 1_000_000_000), 1_000_000, "The most values of one request, those inside of arrays and objects included, and each row: 98 columns of MAX_ROWS. They are counted before one of them takes memory."),
    Setting("MAX_COLUMNS", whole(1, 1_000_000), 10_000, "The most columns of one row, extra ones included: each costs memory before the signature can refuse it."),
    Setting("MAX_DEPTH", whole(2, 500), 32, "The deepest nesting of a JSON body: the deepest form is six levels, and a decoder recurses once per level."),
    Setting("PREDICT_TIMEOUT_SECONDS", number(float, 0.05, 3_600), 8.0, "The budget of one request: below the 10 s between SIGTERM and SIGKILL, so that an accepted request is answered."),
    Setting("MAX_BATCH_ROWS", whole(1, 1_000_000), 1_000, "The most rows merged into one model call: of a small pipeline 100 rows cost what one row costs, 1,000 a fifth more."),
    Setting("MAX_PENDING_ROWS", whole(1, 100_000_000), 100_000, "The most rows waiting for the model: more could not be answered within the budget, so they get 429 at once."),
    Setting("PARQUET", boolean, True, "Take Parquet bodies. false: they get 415, and no process is ever started for one."),
    Setting("METRICS", boolean, False, "Answer GET /metrics. Off on a public function, on in GKE."),
    Setting("LOG_LEVEL", one_of("DEBUG", "INFO", "WARNING", "ERROR"), "INFO", "The least severe log line that is written."),
    Setting("PREDICTIONS_TOPIC", str, "", "Where prediction events go: projects/P/topics/T, or T in GOOGLE_CLOUD_PROJECT."),
    Setting("DEAD_LETTER_TOPIC", str, "", "Where messages go that can never be scored, with their reason."),
    Setting("GOOGLE_CLOUD_PROJECT", str, "", "The project of topics that are named without one."),
    Setting("EVENT_FEATURES_FIELD", str, "", "The field of an event that holds the record, for example ride."),
    Setting("EVENT_ID_FIELD", str, "", "The field of an event that holds its id, for example ride_id; it comes back in the prediction."),
    Setting("EVENT_MAX_AGE_SECONDS", number(float, 1, 31 * 86_400), 86_400.0, "A message older than this goes to the dead letter topic instead of being retried."),
    Setting("PUBLISH_TIMEOUT_SECONDS", number(float, 0.1, 600), 5.0, "How long one event waits for Pub/Sub to accept its results before it asks to be redelivered."),
    Setting("ORDERED_PREDICTIONS", boolean, False, "true: each prediction event has its id as ordering key, for subscribers that read in order; it is then a request of its own. false: no key, and many events share a request."),
    Setting("DRY_RUN", boolean, False, "Score events and answer in the response body; publish nothing."),
    Setting("RESULTS_BUCKET", str, "", "Also keep each result as an object that is created once."),
    Setting("SUBSCRIPTION", str, "", "Worker: what it pulls from, projects/P/subscriptions/S, or S in GOOGLE_CLOUD_PROJECT."),
    Setting("MAX_LEASED_MESSAGES", whole(1, 100_000), 1_000, "Worker: the most messages it holds unanswered; Pub/Sub gives the others to other workers."),
    Setting("MAX_LEASED_BYTES", whole(1, 4096 * MIB), 64 * MIB, "Worker: the most bytes of them. Decoded, those that are scored together take up to 20 times their size in memory."),
    Setting("HOST", str, "0.0.0.0", "Container: the address it listens on."),  # noqa: S104 - a container is reached from outside
    Setting("PORT", whole(1, 65_535), 8080, "Container: the port it listens on."),
    Setting("AIP_HTTP_PORT", whole(0, 65_535), 0, "Vertex AI's name for the port of a container; unless it is 0 it counts instead of PORT."),
    Setting("MAX_HEADER_BYTES", whole(256, MIB), 64 << 10, "Container: the longest request line and headers together. Only a GET with many columns comes near it."),
    Setting("MAX_CONNECTIONS", whole(1, 100_000), 1_000, "Container: the most open connections. At the limit the longest idle one is closed; with none idle a new one gets 503."),
    Setting("IDLE_TIMEOUT_SECONDS", whole(1, 86_400), 620, "Container: how long a connection may be idle: longer than the 600 s of Google's load balancers, which would else reuse one that is being closed."),
    Setting("CLIENT_TIMEOUT_SECONDS", number(float, 0.1, 3_600), 10.0, "Container: how long a client may take to send one request, or to take its answer."),
    Setting("DRAIN_SECONDS", number(float, 0.0, 600), 1.0, "Container: how long requests are still taken after SIGTERM, while readiness is 503. With PREDICT_TIMEOUT_SECONDS it makes less than 10 s."),
    Setting("SHADOW_MODEL_URI", str, "", "The challenger, in any form of MODEL_URI: answers are compared with its own, off the request path. Empty: no shadow."),
    Setting("SHADOW_PERCENT", number(float, 0, 100), 10.0, "The share of answers that is compared: the challenger takes about as much processor time for each as the model that serves."),
    Setting("SHADOW_TOPIC", str, "", "Where differences from the challenger and their counts go: projects/P/topics/T, or T in GOOGLE_CLOUD_PROJECT."),
    Setting("SHADOW_TOLERANCE", number(float, 0, 1), 1e-6, "How far a number may be from the challenger's, absolutely or relatively: what compiling is verified to."),
    Setting("AIP_HEALTH_ROUTE", str, "", "Vertex AI's name for the health address."),
    Setting("AIP_PREDICT_ROUTE", str, "", "Vertex AI's name for the prediction address."),
)
# fmt: on


@dataclass(frozen=True)
class Settings:
    """The values, read once. Sizes in bytes, times in seconds."""

    model_uri: str
    model_name: str
    model_trust: str
    model_refresh_seconds: float
    model_cache_dir: str
    load_wait_seconds: float
    load_timeout_seconds: float
    max_request_bytes: int
    max_held_bytes: int
    max_rows: int
    max_cells: int
    max_columns: int
    max_depth: int
    predict_timeout_seconds: float
    max_batch_rows: int
    max_pending_rows: int
    parquet: bool
    metrics: bool
    log_level: str
    predictions_topic: str
    dead_letter_topic: str
    google_cloud_project: str
    event_features_field: str
    event_id_field: str
    event_max_age_seconds: float
    publish_timeout_seconds: float
    ordered_predictions: bool
    dry_run: bool
    results_bucket: str
    subscription: str
    max_leased_messages: int
    max_leased_bytes: int
    host: str
    port: int
    aip_http_port: int
    max_header_bytes: int
    max_connections: int
    idle_timeout_seconds: int
    client_timeout_seconds: float
    drain_seconds: float
    shadow_model_uri: str
    shadow_percent: float
    shadow_topic: str
    shadow_tolerance: float
    aip_health_route: str
    aip_predict_route: str

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Settings:
        """Every bad setting is named in one error."""
        values: dict[str, Any] = {}
        wrong = []
        for setting in TABLE:
            text = environ.get(setting.name)
            try:
                values[setting.name.lower()] = setting.default if text is None else setting.parse(text)
            except ValueError as error:
                wrong.append(f"{setting.name} must be {error}")
        if wrong:
            raise BadSetting("; ".join(wrong) + ".")
        return cls(**values)


def google(name: str) -> str:
    """A variable that Google's own clients define, such as STORAGE_EMULATOR_HOST; read each time, as they do."""
    return os.environ.get(name, "")


@cache
def settings() -> Settings:
    return Settings.from_environ(os.environ)


assert {row.name.lower() for row in TABLE} == {field.name for field in fields(Settings)}
