"""A small compute API over HTTP: one URL map with a fingerprint, backend services, operations that take several polls.

Faults are data. Every fault must be met: `Compute.faults` is empty at the end of a test that used them.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from email.message import Message
from threading import Lock
from typing import Any, Literal

from contract.failover.servers import serve_json

PROJECT = "example-dev"
BASE = f"/compute/v1/projects/{PROJECT}/global"
SERVICES = f"https://www.googleapis.com{BASE}/backendServices"
JSONObject = dict[str, Any]
Kind = Literal["GET", "PATCH", "WAIT"]


@dataclass(frozen=True)
class Fault:
    """The next request of this kind gets `status` (0: the connection ends), or `change` is made by somebody else just before it, or the operation
    that it starts ends with `error`. `done`: the request is carried out all the same, and only the answer is lost."""

    on: Kind
    status: int | None = None
    change: Mapping[str, Any] | None = None
    error: str | None = None
    done: bool = False


@dataclass
class Compute:
    """`polls` is how many waits an operation takes. `seen` are the methods and paths that were asked for."""

    url: str = ""
    polls: int = 2
    url_map: JSONObject = field(default_factory=dict)
    services: dict[str, JSONObject] = field(default_factory=dict)
    operations: dict[str, JSONObject] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    seen: list[tuple[str, str]] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def weights(self) -> tuple[int, int]:
        """Of the functions and of the cluster."""
        first, second = self.url_map["defaultRouteAction"]["weightedBackendServices"]
        return first["weight"], second["weight"]

    def patches(self) -> int:
        return sum(method == "PATCH" for method, _ in self.seen)

    def change(self, patch: Mapping[str, Any]) -> None:
        self.url_map = merge_patch(self.url_map, patch) | {"fingerprint": f"print-{next(self.numbers)}"}

    def answer(self, method: str, path: str, headers: Message, data: bytes) -> tuple[int, JSONObject]:
        if "authorization" in headers:
            return refusal(401, "A token without encryption.")
        body = json.loads(data) if data else {}
        with self.lock:
            kind = "WAIT" if path.endswith("/wait") else method
            self.seen.append((kind, path))
            fault = self.take(kind)
            if fault and fault.status is not None and not fault.done:
                return refusal(fault.status, "as the test wants")
            if fault and fault.change:
                self.change(fault.change)
            result = self.carry_out(kind, path, body, fault)
            return refusal(fault.status or 0, "the answer is lost") if fault and fault.done else result

    def take(self, kind: str) -> Fault | None:
        found = next((fault for fault in self.faults if fault.on == kind), None)
        if found:
            self.faults.remove(found)
        return found

    def carry_out(self, kind: str, path: str, body: JSONObject, fault: Fault | None) -> tuple[int, JSONObject]:
        collection, _, name = path.removeprefix(f"{BASE}/").removesuffix("/wait").partition("/")
        if (collection, kind) == ("operations", "WAIT"):
            return 200, self.advance(self.operations[name])
        if (collection, kind) == ("backendServices", "GET") and name in self.services:
            return 200, self.services[name]
        if collection == "urlMaps" and name == self.url_map["name"]:
            return (200, self.url_map) if kind == "GET" else self.apply_patch(body, fault)
        return refusal(404, f"The resource {path} was not found")

    def apply_patch(self, body: JSONObject, fault: Fault | None) -> tuple[int, JSONObject]:
        if body.get("fingerprint") != self.url_map["fingerprint"]:
            return refusal(412, "Invalid fingerprint.")
        if not (fault and fault.error):
            self.change(body)
        name = f"operation-{next(self.numbers)}"
        self.operations[name] = {
            "name": name,
            "status": "RUNNING",
            "left": self.polls,
            "failing": fault and fault.error,
        }
        return 200, public_fields(self.operations[name])

    def advance(self, operation: JSONObject) -> JSONObject:
        operation["left"] -= 1
        if operation["left"] <= 0:
            operation["status"] = "DONE"
            if operation["failing"]:
                operation["error"] = {"errors": [{"code": "CONDITION", "message": operation["failing"]}]}
        return public_fields(operation)


def public_fields(operation: JSONObject) -> JSONObject:
    return {key: value for key, value in operation.items() if key not in ("left", "failing")}


def refusal(status: int, message: str) -> tuple[int, JSONObject]:
    return status, {"error": {"code": status, "message": message, "errors": [{"message": message}]}}


def merge_patch(old: Mapping[str, Any], patch: Mapping[str, Any]) -> JSONObject:
    """RFC 7396."""
    result = dict(deepcopy(old))
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(result.get(key), Mapping):
            result[key] = merge_patch(result[key], value)
        else:
            result[key] = deepcopy(value)
    return result


def url_map_routes(functions: int, gke: int) -> JSONObject:
    """As Terraform's module makes it, and with something of the operator's own in each place."""
    header = {"requestHeadersToAdd": [{"headerName": "X-Served-By", "headerValue": "gke", "replace": True}]}
    return {
        "defaultRouteAction": {
            "timeout": {"seconds": "30"},
            "weightedBackendServices": [
                {"backendService": f"{SERVICES}/modelserve-predict", "weight": functions},
                {"backendService": f"{SERVICES}/modelserve-gateway", "weight": gke, "headerAction": header},
            ],
        }
    }


HOST_RULES = {
    "hostRules": [{"hosts": ["www.example.com"], "pathMatcher": "site"}],
    "pathMatchers": [{"name": "site", "defaultService": f"{SERVICES}/site"}],
}


@contextmanager
def compute_server(token: str = "origin") -> Iterator[Compute]:
    compute = Compute()
    compute.url_map = {"name": "modelserve", "fingerprint": "print-0"} | HOST_RULES | url_map_routes(100, 0)
    compute.services["modelserve-gateway"] = {
        "name": "modelserve-gateway",
        "customRequestHeaders": ["Host: gke.example.com", f"X-Modelserve-Origin: {token}"],
    }

    with serve_json(compute.answer) as compute.url:
        yield compute
