"""What one apply from nothing needs, and the plan after it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from infra.resources import Resource, functions, grants, identity, of

# What Google's copies of the functions' archives are called.
COPIES: Final = 'resource.name.startsWith("projects/_/buckets/gcf-v2-sources-{number}-")'
# What whoever updates a function asks until it is done.
OPERATIONS: Final = ["cloudfunctions.operations.get"]


def builds_read_the_copy_of_their_source(resources: Sequence[Resource]) -> Iterator[str]:
    build = identity(resources, "build")["member"]
    [number] = {one["values"]["number"] for one in resources if one["type"] == "google_project"}
    granted = [
        [each["expression"] for each in one["condition"]]
        for _, one in of(resources, "google_project_iam_member")
        if one["member"] == build and one["role"] == "roles/storage.objectViewer"
    ]
    if granted != [[COPIES.format(number=number)]]:
        yield f"A build reads {granted}, and its source is copied to another bucket"


def updates_are_waited_for(resources: Sequence[Resource]) -> Iterator[str]:
    deploy = identity(resources, "deploy")["member"]
    held = {one["role"] for _, one in of(resources, "google_project_iam_member") if one["member"] == deploy}
    roles = [one for _, one in of(resources, "google_project_iam_custom_role") if one["name"] in held]
    if [one["permissions"] for one in roles] != [OPERATIONS]:
        yield "deploy cannot see when an update of a function is done, or may do more"


def functions_wait_for_their_grants(resources: Sequence[Resource]) -> Iterator[str]:
    """Those of the accounts that build and run them, for a minute: the provider's own example does."""
    accounts = {identity(resources, job)["member"] for job in ("build", "event", "http")}
    awaited = {
        name
        for one in resources
        if one["type"] == "time_sleep" and duration(one["values"]["create_duration"]) >= 60
        for name in one["depends_on"]
    }
    made = {
        re.sub(r"\[.*\]$", "", address)
        for address, one in grants(resources)
        if one["member"] in accounts or address.startswith("google_kms_crypto_key_iam_member.")
    }
    yield from (f"Nobody waits until {name} has taken effect" for name in sorted(made - awaited))
    for one in resources:
        if one["type"] == "google_cloudfunctions2_function" and "time_sleep.grants" not in one["depends_on"]:
            yield f"{one['address']} is made at once"


def duration(text: str) -> int:
    return int(text.removesuffix("s"))


def what_is_asked_for_is_what_is_answered(resources: Sequence[Resource]) -> Iterator[str]:
    """Otherwise each plan would change it, and the pipeline refuses such a plan."""
    for address, one in of(resources, "google_artifact_registry_repository"):
        if any(not each["immutable_tags"] for each in one["docker_config"]):
            yield f"{address}: the provider does not send a docker_config without immutable tags"
    for address, one in of(resources, "google_container_cluster"):
        private = any(each["enable_private_endpoint"] for each in one["private_cluster_config"])
        if not private:
            yield f"{address} has no public address, and does not say so"


def only_images_for_the_cluster_are_final(resources: Sequence[Resource]) -> Iterator[str]:
    """A build of a function moves a tag, and so does a new rendering of the manifests."""
    for address, one in of(resources, "google_artifact_registry_repository"):
        final = any(each["immutable_tags"] for each in one["docker_config"])
        if final != one["repository_id"].endswith("-images"):
            yield f"{address} has {'tags that cannot' if final else 'images that can'} be moved"


def an_archive_that_is_served_stays(resources: Sequence[Resource]) -> Iterator[str]:
    archives = {one["build_config"][0]["source"][0]["storage_source"][0]["object"] for _, one in functions(resources)}
    for address, one in of(resources, "google_storage_bucket_object"):
        if one["name"] in archives and one["deletion_policy"] != "ABANDON":
            yield f"{address} is deleted when it is replaced by itself"
