"""With a key of the operator's own, everything that is kept is encrypted with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from infra.resources import Resource, of

# Where each kind of resource names its key, and which of Google's accounts use it for that: the documentation of
# customer-managed keys of each service, and https://cloud.google.com/functions/docs/securing/cmek for functions.
KEYS: Final = {
    "google_artifact_registry_repository": ((), "kms_key_name"),
    "google_bigquery_dataset": (("default_encryption_configuration",), "kms_key_name"),
    "google_bigquery_table": (("encryption_configuration",), "kms_key_name"),
    "google_cloudfunctions2_function": ((), "kms_key_name"),
    "google_pubsub_topic": ((), "kms_key_name"),
    "google_storage_bucket": (("encryption",), "default_kms_key_name"),
}
USERS: Final = {
    "gcf-admin-robot.iam.gserviceaccount.com",
    "gcp-sa-artifactregistry.iam.gserviceaccount.com",
    "gcp-sa-eventarc.iam.gserviceaccount.com",
    "gcp-sa-pubsub.iam.gserviceaccount.com",
    "serverless-robot-prod.iam.gserviceaccount.com",
}
LOOKED_UP: Final = {"google_bigquery_default_service_account", "google_storage_project_service_account"}


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


def who_encrypts_may_use_the_key(resources: Sequence[Resource]) -> Iterator[str]:
    members = [one["member"] for _, one in of(resources, "google_kms_crypto_key_iam_member")]
    yield from (f"{account} may not use the key" for account in sorted(USERS) if not any(account in m for m in members))
    for one in resources:
        if one["type"] in LOOKED_UP and one["values"]["member"] not in members:
            yield f"The account of {one['address']} may not use the key"
    if len({one["type"] for one in resources} & LOOKED_UP) < len(LOOKED_UP):
        yield "An account that Google makes on demand is not asked for"
