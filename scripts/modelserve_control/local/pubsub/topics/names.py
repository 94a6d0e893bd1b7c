"""Resource names: `projects/PROJECT/topics/ID` and `projects/PROJECT/subscriptions/ID`."""

from __future__ import annotations

import re

from modelserve_control.local.pubsub.topics.errors import BadInput

DELETED_TOPIC = "_deleted-topic_"

# https://cloud.google.com/pubsub/docs/pubsub-basics#resource_names
NAME = re.compile(r"projects/[^/\s]+/(topics|subscriptions)/(?!goog)[A-Za-z][A-Za-z0-9\-._~+%]{2,254}")


def check_topic(name: str) -> str:
    return _check(name, "topics")


def check_subscription(name: str) -> str:
    return _check(name, "subscriptions")


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
