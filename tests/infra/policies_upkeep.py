"""What serves, what is kept, and what is watched."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from infra.resources import Resource, functions, model_of, of
from infra.terraform import SOURCE


def buckets_are_hardened(resources: Sequence[Resource]) -> Iterator[str]:
    for address, one in of(resources, "google_storage_bucket"):
        if one["uniform_bucket_level_access"] is not True:
            yield f"{address} has access lists"
        if one["public_access_prevention"] != "enforced":
            yield f"{address} may be made public"
        if one["force_destroy"] is not False:
            yield f"{address} would be deleted with what is in it"
        if one["name"].endswith("-temp"):
            if not any(rule["action"][0]["type"] == "Delete" for rule in one["lifecycle_rule"]):
                yield f"{address} keeps for ever what is of use for days"
            continue
        if not one["soft_delete_policy"] or not one["soft_delete_policy"][0]["retention_duration_seconds"]:
            yield f"{address} forgets what is deleted at once"
        if not one["name"].endswith("-results") and not any(each["enabled"] for each in one["versioning"]):
            yield f"{address} keeps no version of what is overwritten"


def functions_share_a_model(resources: Sequence[Resource]) -> Iterator[str]:
    served: dict[str, set[str | None]] = {}
    for _, one in functions(resources):
        served.setdefault(model_of(one), set()).add(one["service_config"][0]["environment_variables"].get("MODEL_URI"))
    for model, uris in served.items():
        if len(uris) != 1 or None in uris:
            yield f"The functions of {model} serve {sorted(map(str, uris))}"
    if len({uri for uris in served.values() for uri in uris}) < len(served):
        yield "Two of the models are one"


def functions_take_as_many_requests_as_they_are_sent(resources: Sequence[Resource]) -> Iterator[str]:
    """One event loop takes any number; without it each request needs a thread."""
    for address, one in functions(resources):
        service = one["service_config"][0]
        settings = service["environment_variables"]
        threads = int(settings.get("THREADS", 1))
        if settings.get("FUNCTION_USE_ASGI") != "true" and threads < service["max_instance_request_concurrency"]:
            yield f"{address} has {threads} threads for {service['max_instance_request_concurrency']} requests"


def images_are_cleaned_up(resources: Sequence[Resource]) -> Iterator[str]:
    for address, one in of(resources, "google_artifact_registry_repository"):
        if {policy["action"] for policy in one["cleanup_policies"]} != {"KEEP", "DELETE"} or one[
            "cleanup_policy_dry_run"
        ]:
            yield f"{address} grows for ever"


def tables_are_protected(resources: Sequence[Resource]) -> Iterator[str]:
    for address, one in of(resources, "google_bigquery_table"):
        if one["deletion_protection"] is not True:
            yield f"{address} may be deleted with its rows"


def alerts_say_what_to_do(resources: Sequence[Resource]) -> Iterator[str]:
    for address, one in of(resources, "google_monitoring_alert_policy"):
        if not any(each["content"] for each in one["documentation"]):
            yield f"{address} wakes somebody up and does not say why"
        if not one["notification_channels"]:
            yield f"{address} reaches nobody"


def metrics(resources: Sequence[Resource]) -> Iterator[tuple[str, str]]:
    """Each metric that an alert or a dashboard names, with the address of who does."""
    texts = [(address, one["dashboard_json"]) for address, one in of(resources, "google_monitoring_dashboard")]
    texts += [(address, str(one["conditions"])) for address, one in of(resources, "google_monitoring_alert_policy")]
    for address, text in texts:
        yield from ((address, name) for name in re.findall(r'metric\.type=\\*"([^"\\]+)', text))


def metrics_exist(resources: Sequence[Resource]) -> Iterator[str]:
    """Google's are in METRICS.md; ours are made here, and in METRICS.md too."""
    documented = (SOURCE / "METRICS.md").read_text()
    ours = {f"logging.googleapis.com/user/{one['name']}" for _, one in of(resources, "google_logging_metric")}
    for address, name in metrics(resources):
        general = re.sub("^logging.googleapis.com/user/[^/]+/", "logging.googleapis.com/user/NAME/", name)
        if f"`{general}`" not in documented:
            yield f"{address} names {name}, which METRICS.md does not have"
        if name.startswith("logging.googleapis.com/user/") and name not in ours:
            yield f"{address} names {name}, which nothing counts"


def failed_jobs_are_noticed(resources: Sequence[Resource]) -> Iterator[str]:
    """Nobody looks at a build that a schedule asked for."""
    alerts = [str(one["conditions"]) for _, one in of(resources, "google_monitoring_alert_policy")]
    for address, one in of(resources, "google_cloudbuild_trigger"):
        if one["pubsub_config"] and not any(one["trigger_id"] in text and "^ERROR: " in text for text in alerts):
            yield f"{address} may fail without an alarm"


def every_way_in_is_checked(resources: Sequence[Resource]) -> Iterator[str]:
    """From outside, with an alarm for each check."""
    ways = {
        one["service_config"][0]["uri"].removeprefix("https://"): address
        for address, one in functions(resources)
        if one["service_config"][0]["ingress_settings"] == "ALLOW_ALL"
    }
    shown = {each for _, one in of(resources, "google_compute_target_https_proxy") for each in one["ssl_certificates"]}
    for address, one in of(resources, "google_compute_managed_ssl_certificate"):
        if one["id"] in shown:
            ways |= dict.fromkeys(one["managed"][0]["domains"], address)
    alerts = [str(one["conditions"]) for _, one in of(resources, "google_monitoring_alert_policy")]
    checks = dict(of(resources, "google_monitoring_uptime_check_config"))
    hosts = {one["monitored_resource"][0]["labels"]["host"] for one in checks.values()}
    yield from (f"Nobody asks {ways[host]} from outside" for host in sorted(ways.keys() - hosts))
    for address, one in checks.items():
        if not any(one["uptime_check_id"] in text for text in alerts):
            yield f"{address} may fail without an alarm"


def a_good_answer_passes_a_check(resources: Sequence[Resource]) -> Iterator[str]:
    """Where a check lists answers, no other passes: a Gateway may ask nobody for a token."""
    for address, one in of(resources, "google_monitoring_uptime_check_config"):
        accepted = one["http_check"][0]["accepted_response_status_codes"]
        if not any(each["status_class"] == "STATUS_CLASS_2XX" for each in accepted):
            yield f"{address} fails when it is answered 200"
