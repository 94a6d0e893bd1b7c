"""What Terraform says of the functions, and what the functions are."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from typing import Final

from infra.relations.sources import Sources, words
from modelserve.core.settings import Settings

# https://cloud.google.com/pubsub/docs/bigquery#write_metadata, and what a data column may be without a schema.
COLUMNS: Final = {
    "subscription_name": {"STRING"},
    "message_id": {"STRING"},
    "publish_time": {"TIMESTAMP"},
    "attributes": {"STRING", "JSON"},
    "data": {"STRING", "JSON", "BYTES"},
}
# Labels of Google's metrics, and the values that they have: https://cloud.google.com/monitoring/api/metrics_gcp
VALUES: Final = {"response_code_class": {"1xx", "2xx", "3xx", "4xx", "5xx"}}
# Read by functions-framework, and by a rollout.
NOT_OURS: Final = {"FUNCTION_USE_ASGI", "SOURCE_ARCHIVE"}
SEVERITIES: Final = {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}
LINES: Final = "terraform/log_metrics.tf"
UPTIME: Final = "google_monitoring_uptime_check_config"


def functions(sources: Sources) -> list[str]:
    return re.findall(r'^    (\w+) += "', sources.table("entry_points"), re.MULTILINE)


def entry_points_are_functions(sources: Sources) -> Iterator[str]:
    tree = ast.parse(sources["functions/main.py"])
    defined = {one.name for one in tree.body if isinstance(one, ast.AsyncFunctionDef | ast.FunctionDef)}
    yield from (f"main.py has no {name}" for name in functions(sources) if name not in defined)
    entry = sources.block("google_cloudfunctions2_function", "this").value("entry_point")
    if entry != "each.value.entry_point":
        yield f"The entry point is {entry}"


def settings_are_known(sources: Sources) -> Iterator[str]:
    known = {name.upper() for name in Settings.__dataclass_fields__} | NOT_OURS
    texts = [sources.table(name) for name in ("_common_settings", "_event_settings", "log_settings", "shadow_settings")]
    told = {name for text in texts for name in re.findall(r"^ +([A-Z][A-Z_]+) += ", text, re.MULTILINE)}
    yield from (f"Terraform sets {name}, which nothing reads" for name in sorted(told - known))
    yield from (
        f"Terraform does not set {name}"
        for name in sorted(NOT_OURS | {"MODEL_URI", "MODEL_TRUST"} - told)
        if name not in told
    )


def a_rollout_reads_the_archive_that_is_told(sources: Sources) -> Iterator[str]:
    [name] = re.findall(
        r'^ARCHIVE: Final = "(\w+)"',
        sources["scripts/modelserve_control/deploy/rollout/cloud/service.py"],
        re.MULTILINE,
    )
    if not re.search(rf"\b{name} += ", sources.table("_common_settings")):
        yield f"No revision says {name}"


def services_are_named_as_the_pipeline_calls_them(sources: Sources) -> Iterator[str]:
    """It takes the names from the plan, and tells by their ends which functions are of one model."""
    name = sources.block("google_cloudfunctions2_function", "this").value("name")
    if name != '"${var.name}-${replace(each.key, "_", "-")}"':
        yield f"A function is named {name}"
    for text in ("done <.cache/build/planned/models", "mapfile -t serves <.cache/build/serves", '"${serves[@]}"'):
        if text not in sources["cloudbuild.yaml"]:
            yield f"The pipeline does not say {text}, and rolls out something else than what is planned"


def tables_have_the_columns_of_the_metadata(sources: Sources) -> Iterator[str]:
    table = sources.block("google_bigquery_table", "this")
    columns = dict(re.findall(r'name = "(\w+)", type = ("?[\w.]+"?), mode = "NULLABLE"', table.body))
    data = set(re.findall(r'data = ("\w+")', sources.table("_kept")))
    for name, allowed in COLUMNS.items():
        kinds = data if columns.get(name) == "each.value.data" else {columns.get(name, "")}
        if not kinds or not {kind.strip('"') for kind in kinds} <= allowed:
            yield f"The column {name} is {columns.get(name)}, and must be nullable and one of {sorted(allowed)}"
    if sources.block("google_pubsub_subscription", "table").value("write_metadata") != "true":
        yield "The columns of the metadata stay empty"
    [partition] = words(re.findall(r"field +=.*", table.body)[0])
    if columns.get(partition) != '"TIMESTAMP"':
        yield f"Rows cannot be partitioned by {partition}"


def log_lines_are_written(sources: Sources) -> Iterator[str]:
    """A filter names a logger, which is a module, and a message and fields that are in it."""
    for name, line in re.findall(r'^    (\w+) += "(\$\{local\._lines\}.*)"$', sources[LINES], re.MULTILINE):
        [logger] = re.findall(r'jsonPayload\.logger=~?\\"\^?([\w.]+)\\"', line)
        path = f"functions/{logger.replace('.', '/')}"
        text = sources.texts.get(f"{path}.py") or "".join(
            one for place, one in sources.texts.items() if place.startswith(f"{path}/")
        )
        if not text:
            yield f"{name}: there is no {path}"
        fields = re.findall(r"jsonPayload\.(\w+)", line.replace("jsonPayload.logger", ""))
        quoted = re.findall(
            rf"^    {name} += \{{ label = .* field = \"jsonPayload\.(\w+)\"", sources[LINES], re.MULTILINE
        )
        said = [f'"{message}"' for message in re.findall(r'jsonPayload\.message=\\"(.*?)\\"', line)]
        wanted = said + [f'"{field}"' for field in {*fields, *quoted} - {"message"}]
        yield from (f"{name}: {path} has no {one}" for one in wanted if one not in text)
        yield from (
            f"{name}: {one} is no severity" for one in re.findall(r"severity>=(\w+)", line) if one not in SEVERITIES
        )


def charts_split_by_labels_that_are_made(sources: Sources) -> Iterator[str]:
    labels = dict(re.findall(r'^    (\w+) += \{ label = "(\w+)"', sources[LINES], re.MULTILINE))
    for metric, label in re.findall(
        r'_log_metric\}/(\w+)".*"metric\.label\.(\w+)"\]', sources["terraform/dashboard.tf"]
    ):
        if labels.get(metric) != label:
            yield f"A chart splits {metric} by {label}, and it has {labels.get(metric)}"


def labels_have_the_values_that_are_asked_for(sources: Sources) -> Iterator[str]:
    for label, values in VALUES.items():
        texts = sources.terraform() + sources["scripts/modelserve_control/deploy/rollout/cloud/monitoring.py"]
        asked = re.findall(rf'metric\.labels\.{label}=\\"(.*?)\\"', texts)
        asked += re.findall(rf'"{label}"\) == "(.*?)"', texts)
        yield from (f"{label} is never {value}" for value in asked if value not in values)
        if len(asked) != 2:
            yield f"{label} is asked for {len(asked)} times: look at each"


def what_is_asked_from_outside_is_a_route(sources: Sources) -> Iterator[str]:
    routes = set(re.findall(r'^ +"(/[^"]*)": ', sources["functions/modelserve/http/app.py"], re.MULTILINE))
    asked = [("The uptime check", sources.block(UPTIME, "this").value("path").strip('"'))]
    for path in ("gateway", "http", "worker"):
        text = sources[f"kubernetes/base/{path}.yaml"]
        found = re.findall(r"(?:requestPath|httpGet:\s+path|path): (/health\S*)", text)
        asked += [(f"kubernetes/base/{path}.yaml", one) for one in found]
    yield from (f"{who} asks {path}, which is no route" for who, path in asked if path not in routes)


ALL: Final[tuple[Callable[[Sources], Iterator[str]], ...]] = (
    entry_points_are_functions,
    settings_are_known,
    a_rollout_reads_the_archive_that_is_told,
    services_are_named_as_the_pipeline_calls_them,
    tables_have_the_columns_of_the_metadata,
    log_lines_are_written,
    charts_split_by_labels_that_are_made,
    labels_have_the_values_that_are_asked_for,
    what_is_asked_from_outside_is_a_route,
)
