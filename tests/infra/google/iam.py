"""Who may do what: members, roles and conditions as Google evaluates them, as far as they are used here."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

# Google's predefined roles, each with those of its permissions that a rule or a test asks about.
ROLES: Final[Mapping[str, Collection[str]]] = tomllib.loads(Path(__file__).with_name("roles.toml").read_text())["roles"]

# A role that a kind of resource does not take, with the source.
NOT_TAKEN: Final = {
    # "Role roles/run.invoker is not supported for this resource": GoogleCloudPlatform/cloud-foundation-fabric#1605
    ("google_cloudfunctions2_function", "roles/run.invoker"),
}

# The three forms of a condition: https://cloud.google.com/iam/docs/conditions-attribute-reference#resource-name
STARTS = re.compile(r'resource\.name\.startsWith\("([^"]*)"\)')
EXTRACT = re.compile(r'resource\.name\.extract\("([^"]*)\{\w+\}([^"]*)"\) (==|!=) ""')


@dataclass(frozen=True, slots=True)
class Grant:
    """A role on a resource, which is told by its kind and the last part of its name; `key` is the grant's own."""

    key: tuple[str, str]
    on: tuple[str, str]
    role: str
    account: str
    condition: str | None


def applies(condition: str | None, resource_name: str) -> bool:
    """Whether a condition lets through a request for `resource_name`; one in another form is an error."""
    return condition is None or all(term(one.strip(), resource_name) for one in condition.split("&&"))


def term(text: str, resource_name: str) -> bool:
    if found := STARTS.fullmatch(text):
        return resource_name.startswith(found[1])
    if found := EXTRACT.fullmatch(text):
        before, after, operator = found.groups()
        _, has_before, rest = resource_name.partition(before)
        extracted = rest.partition(after)[0] if has_before and after in rest else ""
        return (extracted == "") == (operator == "==")
    raise ValueError(f"this is no condition that the model of Google knows: {text}")


def account(member: str) -> str:
    """The account in a member, in an address or in a resource's name, as grants and needs compare it."""
    name = member.removeprefix("serviceAccount:")
    return name.rpartition("/")[2] if name.startswith("projects/") else name


def must_exist(member: str) -> bool:
    """Google looks whether it knows an account or a pool; a principal's subject may be anything."""
    return member.startswith(("serviceAccount:", "principal://"))


def pool(account_name: str) -> str:
    """The pool of identities in which an account is, or itself."""
    if found := re.search(r"/workloadIdentityPools/([^/]+)/", account_name):
        return found[1]
    return account_name.partition("[")[0]


def locate(kind: str, value: str) -> tuple[str, str]:
    """The last part of a resource's name, by which it is told here, and the name that a condition sees."""
    if kind == "google_storage_bucket":
        bucket, _, name = value.removeprefix("gs://").partition("/")
        if "@" in name:  # a model's address: the alias is an object
            name = "{}/aliases/{}".format(*name.split("@"))
        return bucket, f"projects/_/buckets/{bucket}/objects/{name}"
    if "docker.pkg.dev/" in value:
        return value.split("/")[2], value
    if kind == "google_cloud_run_v2_job":  # or the address at which it is run
        return value.rpartition("/")[2].removesuffix(":run"), value
    last = value.split("/")[2] if value.startswith("https://") else value.rpartition("/")[2]
    if last.endswith(".run.app"):
        last = re.sub(r"-\d+\.[^.]+\.run\.app$", "", last)
    elif kind == "google_bigquery_table":
        last = last.rpartition(".")[2]
    return last, value
