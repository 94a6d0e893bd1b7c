"""With a key of the operator's own, everything that is kept is encrypted with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from infra.resources import Resource, of

# Where each kind of resource names its key; google/rules.py says which of Google's accounts use it for that.
KEYS: Final = {
    "google_artifact_registry_repository": ((), "kms_key_name"),
    "google_bigquery_dataset": (("default_encryption_configuration",), "kms_key_name"),
    "google_bigquery_table": (("encryption_configuration",), "kms_key_name"),
    "google_cloudfunctions2_function": ((), "kms_key_name"),
    "google_cloud_run_v2_service": (("template",), "encryption_key"),
    "google_cloud_run_v2_job": (("template", "template"), "encryption_key"),
    "google_pubsub_topic": ((), "kms_key_name"),
    "google_storage_bucket": (("encryption",), "default_kms_key_name"),
    "google_workflows_workflow": ((), "crypto_key_name"),
}


def what_is_kept_is_encrypted(resources: Sequence[Resource]) -> Iterator[str]:
    granted = {one["crypto_key_id"] for _, one in of(resources, "google_kms_crypto_key_iam_member")}
    for kind, (path, name) in KEYS.items():
        for address, one in of(resources, kind):
            if key(one, path, name) not in granted:
                yield f"{address} is not encrypted with the key"


def key(values: dict[str, Any], path: Sequence[str], name: str) -> str | None:
    for block in path:
        values = values[block][0] if values[block] else {}
    return values.get(name)
