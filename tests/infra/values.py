"""The values that Terraform and a provider send each other, and what is planned for them.

A value is msgpack; what is not known before an apply is an extension in it:
https://github.com/hashicorp/terraform/blob/main/docs/plugin-protocol/object-wire-format.md
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from msgspec import msgpack

from infra.schema import Block

Values = dict[str, Any]

UNKNOWN: Final = msgpack.Ext(0, b"\0")

# Attributes in which a resource cannot be changed, so another value is another resource. The schema does not say it.
FORCED: Final = (
    "account_id", "bucket", "dataset_id", "field", "format", "location", "member", "membership_id", "name",
    "network_endpoint_type", "project", "region", "repository_id", "role", "role_id", "service_account_id", "table_id",
)  # fmt: skip
FORCED_OF: Final = {
    "google_storage_bucket_object": ("source",),  # row 7: resource_storage_bucket_object.go, #9127
    "google_pubsub_schema": ("definition",),
    "google_compute_managed_ssl_certificate": ("managed",),
    "google_compute_subnetwork": ("network",),
    "google_pubsub_subscription": ("topic",),
    "google_project_iam_member": ("condition",),
    "time_sleep": ("triggers",),
    "google_storage_bucket_iam_member": ("condition",),
}


def decode(data: bytes) -> Any:
    return msgpack.decode(data, ext_hook=lambda code, content: UNKNOWN)


def encode(value: Any) -> bytes:
    return msgpack.encode(value)


def is_set(value: Any) -> bool:
    return value not in (None, "", [], {}) and value is not UNKNOWN


def at(values: Any, path: str) -> Iterator[Any]:
    """What is set at `path`, such as build_config.source, in each of the blocks that may repeat."""
    if isinstance(values, list):
        for one in values:
            yield from at(one, path)
    elif not path:
        yield from (values,) if is_set(values) else ()
    elif isinstance(values, dict):
        name, _, rest = path.partition(".")
        yield from at(values.get(name), rest)


def replace(values: Any, path: str, make: Callable[[Any], Any]) -> None:
    """Put another value at the end of `path` wherever it exists."""
    name, _, rest = path.partition(".")
    for one in values if isinstance(values, list) else [values]:
        if isinstance(one, dict) and name in one:
            if rest:
                replace(one[name], rest, make)
            else:
                one[name] = make(one[name])


def create(block: Block, proposed: Mapping[str, Any]) -> Values:
    """`proposed`, with what only an apply will tell as unknown."""
    planned = dict(proposed)
    for name, attribute in block.attributes.items():
        if attribute.computed and planned.get(name) is None:
            planned[name] = UNKNOWN
    for name, nested in block.blocks.items():
        inner = planned.get(name)
        if isinstance(inner, list):
            planned[name] = [create(nested.block, one) for one in inner]
        elif isinstance(inner, dict):
            planned[name] = create(nested.block, inner)
    return planned


def forced(kind: str, prior: Mapping[str, Any], planned: Mapping[str, Any]) -> list[str]:
    """The attributes because of which a new resource must take the place of the old one."""
    names = FORCED + FORCED_OF.get(kind, ())
    return [name for name in names if name in planned and planned[name] != prior.get(name)]


def known(value: Any) -> Any:
    """`value` without what is unknown: nobody has set it, and the API has nothing to say about it."""
    if isinstance(value, dict):
        return {name: known(one) for name, one in value.items()}
    if isinstance(value, list):
        return [known(one) for one in value]
    return None if value is UNKNOWN else value
