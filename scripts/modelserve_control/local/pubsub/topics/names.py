"""Resource names: `projects/PROJECT/KIND/ID`, where the kind is topics, subscriptions, snapshots or schemas."""

from __future__ import annotations

import re

from modelserve_control.local.pubsub.topics.errors import BadInput

DELETED_TOPIC = "_deleted-topic_"

# https://cloud.google.com/pubsub/docs/pubsub-basics#resource_names
PROJECT = re.compile(r"projects/[^/\s]+")
NAME = re.compile(
    r"projects/[^/\s]+/(topics|subscriptions|snapshots|schemas)/(?!goog)[A-Za-z][A-Za-z0-9\-._~+%]{2,254}"
)


def check_topic(name: str) -> str:
    return _check(name, "topics")


def check_subscription(name: str) -> str:
    return _check(name, "subscriptions")


def check_snapshot(name: str) -> str:
    return _check(name, "snapshots")


def check_schema(name: str) -> str:
    return _check(name, "schemas")


def check_project(name: str) -> str:
    if not PROJECT.fullmatch(name):
        raise BadInput(f"{name!r} is no project: it must be projects/PROJECT.")
    return name


def project_of(name: str) -> str:
    """`projects/P/topics/T` gives `P`."""
    return name.split("/", 2)[1]


def _check(name: str, kind: str) -> str:
    match = NAME.fullmatch(name)
    if match is None or match[1] != kind:
        raise BadInput(
            f"{name!r} is no resource name: it must be projects/PROJECT/{kind}/ID, where ID has 3 to 255 characters, "
            "starts with a letter, holds only letters, digits and -._~+%, and does not start with goog."
        )
    return name
