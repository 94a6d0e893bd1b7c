"""The resources of a state, as Terraform tells them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

Resource = dict[str, Any]
Policy = Callable[[Sequence[Resource]], Iterator[str]]


def of(resources: Sequence[Resource], kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Address and values of each resource of a type."""
    for one in resources:
        if one["mode"] == "managed" and one["type"] == kind:
            yield one["address"], one["values"]


def grants(resources: Sequence[Resource]) -> Iterator[tuple[str, dict[str, Any]]]:
    for one in resources:
        if one["type"].endswith("_iam_member"):
            yield one["address"], one["values"]


def identity(resources: Sequence[Resource], job: str) -> dict[str, Any]:
    """Of a job that there is once."""
    [found] = [one for _, one in of(resources, "google_service_account") if one["account_id"].endswith(f"-{job}")]
    return found


def model_of(function: dict[str, Any]) -> str:
    """What the names of a model's own resources begin with."""
    return str(function["name"]).removesuffix("-event").removesuffix("-predict")


def functions(resources: Sequence[Resource]) -> Iterator[tuple[str, dict[str, Any]]]:
    return of(resources, "google_cloudfunctions2_function")
