"""What the provider itself refuses, before it asks Google: formats, words and attributes that exclude each other.

The schema does not say any of it. Words come from the bindings (possible_values.py), the rest is one rule a line with the
file of the provider's source where it was read, below google/ of https://github.com/hashicorp/terraform-provider-google.
"its documentation" is the page of the resource in the registry, where only that says so; "unverified" was not found again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any, Final

from infra.possible_values import Possible, impossible
from infra.values import Values, at

_PROJECT: Final = r"(?:(?:[-a-z0-9]{1,63}\.)*(?:[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?):)?(?:[0-9]{1,19}|[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?)"
_ACCOUNT: Final = (
    r"projects/(?:-|" + _PROJECT + r")/serviceAccounts/"
    r"(?:[a-z][-a-z0-9]{4,28}[a-z0-9]@[-a-z0-9.]{1,63}\.iam|[0-9]{1,20}-compute@developer|" + _PROJECT + r"@[a-z]+)"
    r"\.gserviceaccount\.com"
)
_COMPUTE: Final = r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?"
_SECONDS: Final = r"[0-9]+(\.[0-9]+)?s"
_MEMBER: Final = r"(?!deleted).+:.+|projectOwners|projectReaders|projectWriters|allUsers|allAuthenticatedUsers"

# Kind, path, and what the value must match.
FORMATS: Final = (
    ("google_*_iam_member", "member", _MEMBER, "tpgiamresource/resource_iam_member.go"),
    ("google_service_account_iam_member", "service_account_id", _ACCOUNT, "services/resourcemanager/iam_service_account.go: verify.ServiceAccountLinkRegex"),
    ("google_service_account", "account_id", r"[a-z]([-a-z0-9]{4,28}[a-z0-9])", "services/resourcemanager/resource_google_service_account.go"),
    ("google_project_iam_custom_role", "role_id", r"[a-zA-Z0-9_.]{3,64}", "services/resourcemanager/resource_google_project_iam_custom_role.go"),
    ("google_project_iam_member", "project", _PROJECT, "verify/validation.go: ProjectRegex; here it leaves the format to the API"),
    ("google_kms_crypto_key_iam_member", "crypto_key_id", r"(projects/)?[^/]+(/locations)?/[^/]+(/keyRings)?/[^/]+(/cryptoKeys)?/[^/]+", "services/kms/kms_utils.go"),
    ("google_bigquery_dataset", "dataset_id", r"[0-9A-Za-z_]{1,1024}", "services/bigquery/resource_bigquery_dataset.go"),
    ("google_compute_security_policy", "name", _COMPUTE, "services/compute/resource_compute_security_policy.go"),
    ("google_container_cluster", "name", r"(?!.*[^a-z0-9-])(?![0-9-]).{1,40}(?<!-)", "unverified: services/container/resource_container_cluster.go"),
    ("google_storage_bucket", "name", r"(?!goog)(?=[a-z0-9])[a-z0-9._-]{3,222}(?<=[a-z0-9])", "services/storage/resource_storage_bucket.go: verify.ValidateGCSName, and https://cloud.google.com/storage/docs/buckets#naming"),
    ("google_pubsub_subscription", "bigquery_config.table", r"[^.:]+[.:][^.]+\.[^.]+", "its documentation"),
    ("google_monitoring_uptime_check_config", "timeout", _SECONDS, "its documentation: 1s to 60s"),
    ("time_sleep", "create_duration", r"[0-9]+(\.[0-9]+)?(ms|s|m|h)", "hashicorp/terraform-provider-time: resource_sleep.go"),
    ("google_pubsub_*", "message_retention_duration", _SECONDS, "a google.protobuf.Duration, which the API reads"),
    ("google_pubsub_subscription", "retry_policy.minimum_backoff", _SECONDS, "a google.protobuf.Duration, which the API reads"),
    ("google_pubsub_subscription", "retry_policy.maximum_backoff", _SECONDS, "a google.protobuf.Duration, which the API reads"),
    ("google_cloud_run_v2_job", "template.template.timeout", _SECONDS, "its documentation: a duration with s, such as 3.5s"),
    ("google_cloud_run_v2_service", "template.timeout", _SECONDS, "its documentation: a duration with s, such as 3.5s"),
    ("google_cloud_scheduler_job", "attempt_deadline", _SECONDS, "its documentation: a duration with s"),
    ("google_monitoring_alert_policy", "conditions.condition_threshold.duration", _SECONDS, "a google.protobuf.Duration, which the API reads"),
    ("google_monitoring_alert_policy", "conditions.condition_absent.duration", _SECONDS, "a google.protobuf.Duration, which the API reads"),
)  # fmt: skip

# Numbers that the provider takes: kind, path, least and most.
BOUNDS: Final = (
    ("google_cloudfunctions2_function", "service_config.timeout_seconds", 1, 3600, "https://cloud.google.com/functions/docs/configuring/timeout"),
    ("google_cloud_run_v2_job", "template.template.max_retries", 0, 10, "https://cloud.google.com/run/docs/configuring/max-retries"),
    ("google_pubsub_subscription", "ack_deadline_seconds", 10, 600, "its documentation"),
    ("google_pubsub_subscription", "dead_letter_policy.max_delivery_attempts", 5, 100, "its documentation"),
    ("google_compute_region_network_endpoint_group", "port", 1, 65535, "its documentation"),
)  # fmt: skip

# At most one of these may be set: kind, paths, where it was read ("conflicts with" or "exactly one of").
EXCLUSIVE: Final = (
    ("google_pubsub_subscription", ("push_config", "bigquery_config", "cloud_storage_config"), "services/pubsub/resource_pubsub_subscription.go"),
    ("google_pubsub_subscription", ("bigquery_config.use_topic_schema", "bigquery_config.use_table_schema"), "its documentation"),
    ("google_storage_bucket_object", ("source", "content"), "services/storage/resource_storage_bucket_object.go"),
    ("google_compute_url_map", ("default_service", "default_url_redirect", "default_route_action.weighted_backend_services"), "its documentation"),
    ("google_cloudbuild_trigger", ("filename", "git_file_source", "build"), "its documentation"),
    ("google_bigquery_table", ("time_partitioning", "range_partitioning"), "https://cloud.google.com/bigquery/docs/reference/rest/v2/Job: only one of them"),
    ("google_container_cluster", ("enable_autopilot", "remove_default_node_pool"), "services/container/resource_container_cluster.go"),
    ("google_container_cluster", ("enable_autopilot", "enable_shielded_nodes"), "services/container/resource_container_cluster.go"),
)  # fmt: skip


def refusals(kind: str, config: Values, possible: Possible) -> Iterator[str]:
    """A sentence for each value that the provider would not take."""
    for kinds, path, pattern, source in FORMATS:
        if fnmatchcase(kind, kinds):
            for value in at(config, path):
                if isinstance(value, str) and not re.fullmatch(pattern, value):
                    yield f"{path} {value!r} does not match {pattern}: {source}"
    for of, path, least, most, source in BOUNDS:
        for value in at(config, path) if of == kind else ():
            if not least <= float(value) <= most:
                yield f"{path} is {value}, and may be {least} to {most}: {source}"
    for of, paths, source in EXCLUSIVE:
        if of == kind and len(found := [path for path in paths if any(is_on(one) for one in at(config, path))]) > 1:
            yield f"{' and '.join(found)} exclude each other: {source}"
    yield from impossible(kind, config, possible)


def is_on(value: Any) -> bool:
    return value is not False
