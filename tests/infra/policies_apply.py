"""What an update of the functions needs and leaves; test_apply.py applies everything from nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from infra.resources import Resource, functions, identity, of

# What whoever updates a function asks until it is done.
OPERATIONS: Final = ["cloudfunctions.operations.get"]


def updates_are_waited_for(resources: Sequence[Resource]) -> Iterator[str]:
    deploy = identity(resources, "deploy")["member"]
    held = {one["role"] for _, one in of(resources, "google_project_iam_member") if one["member"] == deploy}
    roles = [one for _, one in of(resources, "google_project_iam_custom_role") if one["name"] in held]
    if [one["permissions"] for one in roles] != [OPERATIONS]:
        yield "deploy cannot see when an update of a function is done, or may do more"


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
