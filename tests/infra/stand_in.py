"""Providers with the schema of the real ones and a model of Google: `hashicorp/google`, and what is used of two others.

Terraform's mock providers take the schema and make everything else up; without them all is planned and applied.
It is a server that Terraform is told to attach to, as it is when a provider is debugged:
https://developer.hashicorp.com/terraform/plugin/debugging.
"""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final, cast

import grpc

from infra import possible_values, schema, terraform, wire
from infra.google.cloud import Cloud
from infra.possible_values import Possible
from infra.provider import Provider
from infra.schema import Attribute, Block, Nested, Schema
from infra.wheels import CACHE, PROVIDERS, making

HERE: Final = Path(__file__).parent
REGISTRY: Final = "registry.terraform.io/hashicorp"

SET: Final = Attribute("string", required=False, optional=True, computed=False)
NEEDED: Final = Attribute("string", required=True, optional=False, computed=False)
ANSWERED: Final = Attribute("string", required=False, optional=False, computed=True)

# Of these two providers one resource each is used. From their documentation:
# https://registry.terraform.io/providers/hashicorp/time/latest/docs/resources/sleep
# https://registry.terraform.io/providers/hashicorp/google-beta/latest/docs/resources/google_project_service_identity
TIME_SLEEP: Final = Block(
    {
        "create_duration": SET,
        "destroy_duration": SET,
        "id": ANSWERED,
        "triggers": Attribute(["map", "string"], required=False, optional=True, computed=False),
    }
)
SERVICE_IDENTITY: Final = Block(
    {
        "email": ANSWERED,
        "id": ANSWERED,
        "member": ANSWERED,
        "project": Attribute("string", required=False, optional=True, computed=True),
        "service": NEEDED,
    },
    {"timeouts": Nested(Block({"create": SET, "delete": SET, "read": SET}), "single", 0, 0)},
)


@cache
def known(version: str) -> tuple[Schema, Possible]:
    """The whole schema of one version, and the words it takes; distilled from its bindings once, in a few seconds."""
    cached = CACHE / f"google-{version}-with-words.pickle"
    with making(cached):
        if not cached.exists():
            wheel = PROVIDERS[version].fetch()
            partial = cached.with_suffix(".partial")
            partial.write_bytes(pickle.dumps((schema.read(wheel), possible_values.read(wheel))))
            partial.rename(cached)
    return cast("tuple[Schema, Possible]", pickle.loads(cached.read_bytes()))


def select_named(whole: Schema, names: Collection[str]) -> Schema:
    """What is in `names`, and what must be set: nobody sets or reads the rest, and Terraform takes a schema apart for each run."""
    resources = {name: schema.only(one, names) for name, one in whole.resources.items() if name in names}
    data = {name: schema.only(whole.data[name], names) for name in terraform.types("data")}
    return Schema(schema.only(whole.provider, names), resources, data)


def schemas(whole: Schema) -> dict[str, Schema]:
    """What each provider knows of what the configuration and its tests name."""
    return {
        "google": select_named(whole, terraform.words(terraform.SOURCE, HERE)),
        "google-beta": Schema(whole.provider, {"google_project_service_identity": SERVICE_IDENTITY}, {}),
        "time": Schema(Block(), {"time_sleep": TIME_SLEEP}, {}),
    }


def handler(answer: Callable[[bytes], bytes]) -> Any:
    """Without serializers gRPC hands over the bytes as they are."""
    return grpc.unary_unary_rpc_method_handler(lambda request, context: answer(request))


@contextmanager
def serving(version: str, cloud: Cloud) -> Iterator[dict[str, str]]:
    """The environment in which Terraform uses the stand-ins for `version`, while they are served on loopback."""
    whole, words = known(version)
    with ExitStack() as stack:
        attached = {
            f"{REGISTRY}/{name}": stack.enter_context(attach(Provider(one, cloud, words)))
            for name, one in schemas(whole).items()
        }
        yield {"TF_REATTACH_PROVIDERS": json.dumps(attached)}


@contextmanager
def attach(provider: Provider) -> Iterator[dict[str, Any]]:
    """Where Terraform finds `provider`."""
    answer = wire.provider_schema(provider.schema)
    answers: dict[str, Callable[[bytes], bytes]] = {
        "GetSchema": lambda request: answer,
        "PrepareProviderConfig": lambda request: request,  # both messages hold the configuration in field 1
        "ValidateDataSourceConfig": lambda request: b"",  # no findings
        "Stop": lambda request: b"",
        **provider.calls(),
    }
    handlers = {name: handler(one) for name, one in answers.items()}
    options: list[tuple[str, Any]] = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
    server = grpc.server(ThreadPoolExecutor(2), options=options)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("tfplugin5.Provider", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    address = {"Network": "tcp", "String": f"127.0.0.1:{port}"}
    try:
        yield {"Protocol": "grpc", "ProtocolVersion": 5, "Pid": os.getpid(), "Test": True, "Addr": address}
    finally:
        server.stop(None)
