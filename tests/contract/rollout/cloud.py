"""A fake of what a rollout talks to, over HTTP: Cloud Run's Admin API, Cloud Monitoring, and the addresses of revisions.

Faults are data, and each must have happened by the end.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from threading import Event, Lock
from typing import Any
from urllib.parse import parse_qs, urlsplit

from contract.rollout.revisions import CALLER, Revision
from contract.rollout.services import PARENT, FakeService, Refused
from http_server import WAIT_SECONDS, Answer, answering

SERVICES = f"/v2/{PARENT}/services/"
METADATA = "/computeMetadata/v1/"
CALLERS = 100  # requests from elsewhere for each look at Monitoring


@dataclass
class Fault:
    """What happens to one request: the first with this method whose path has `path`, after `skip` others like it.

    `status` is answered instead, or `moves` (percent by revision, or nothing but a new etag) is done by somebody else just
    before it. With `held` it is done, and then the answer waits: `arrived` says so, `release` lets it go.
    """

    method: str
    path: str
    skip: int = 0
    status: int = 0
    moves: dict[str, int] | None = None
    held: bool = False
    arrived: Event = field(default_factory=Event)
    release: Event = field(default_factory=Event)
    happened: bool = False


class Cloud:
    base: str

    def __init__(self) -> None:
        self.services: dict[str, FakeService] = {}
        self.next: dict[str, Revision] = {}
        self.steals = False
        self.archive = ""  # of revisions that do not name theirs
        self.faults: list[Fault] = []
        self.calls: list[tuple[datetime, str, str]] = []  # when, which revision, class of status
        self.patches = 0
        self._lock = Lock()

    def service(self, name: str, first: Revision | None = None, slow: int = 0) -> FakeService:
        made = self.services[name] = FakeService(name, self.base, slow)
        made.deploy(first or Revision())
        return made

    def fault(self, method: str, path: str, **what: Any) -> Fault:
        self.faults.append(Fault(method, path, **what))
        return self.faults[-1]

    def answer(self, method: str, target: str, headers: Any, body: bytes) -> Answer:
        parts = urlsplit(target)
        fault = self.due(method, parts.path)
        if fault and fault.status:
            return refusal(fault.status, "a fault")
        if fault and fault.moves is not None:
            service = self.services[parts.path.rpartition("/")[2]]
            service.take(fault.moves) if fault.moves else service.changed()
        try:
            if parts.path == "/" or parts.path.startswith(METADATA):
                return metadata(parts.path, parse_qs(parts.query))
            if parts.path.startswith("/url/"):
                return self.routed(method, parts.path, headers, body)
            with self._lock:
                found = self.api(method, parts.path, parse_qs(parts.query), body)
        except Refused as error:
            return refusal(error.status, error.message)
        if fault and fault.held:
            fault.arrived.set()
            fault.release.wait(WAIT_SECONDS)
        return 200, {"content-type": "application/json"}, json.dumps(found).encode()

    def due(self, method: str, path: str) -> Fault | None:
        with self._lock:
            for fault in self.faults:
                if not fault.happened and fault.method == method and fault.path in path:
                    if not fault.skip:
                        fault.happened = True
                        return fault
                    fault.skip -= 1
        return None

    def api(self, method: str, path: str, query: dict[str, list[str]], body: bytes) -> dict[str, Any]:
        if path.startswith(SERVICES):
            name, *more = path.removeprefix(SERVICES).split("/")
            if name not in self.services:
                raise Refused(404, f"Resource '{name}' of kind 'SERVICE' does not exist.")
            service = self.services[name]
            if more:
                return service.revision(more[-1])
            if method == "PATCH":
                self.patches += 1
                service.patch(json.loads(body), query["updateMask"][0])
                return {"name": f"{PARENT}/operations/{self.patches}"}
            return service.read()
        if path.startswith("/deploy/"):
            name = path.removeprefix("/deploy/")
            if name in self.next:
                revision = self.next.pop(name)
                revision = replace(revision, archive=revision.archive or self.archive)
                self.services[name].deploy(revision, self.steals)
            return {}
        return self.series(
            {key: values[0] for key, values in query.items()} | {"groups": query["aggregation.groupByFields"]}
        )

    # --- the addresses of revisions ---

    def routed(self, method: str, path: str, headers: Any, body: bytes) -> Answer:
        host, _, rest = path.removeprefix("/url/").partition("/")
        tag, _, name = host.rpartition("---")
        service = self.services[name]
        if headers.get("authorization") not in (f"Bearer token-for-{service.url}", f"Bearer {identity(service.url)}"):
            return 401, {}, b"the token is of somebody else, or for somebody else"
        if tag:
            if tag not in service.tags():
                return 404, {}, b""
            return self.asked(service, service.tags()[tag], method, f"/{rest}", body)
        return self.asked(
            service, max(service.shares(), key=lambda one: service.shares()[one]), method, f"/{rest}", body
        )

    def asked(self, service: FakeService, revision: str, method: str, path: str, body: bytes = b"") -> Answer:
        answer = service.revisions[revision].answer(method, path, body, service.shares().get(revision, 0))
        self.calls.append((datetime.now(UTC), revision, f"{answer[0] // 100}xx"))
        return answer

    # --- Cloud Monitoring ---

    def series(self, question: dict[str, Any]) -> dict[str, Any]:
        """Every look finds that a hundred others have called meanwhile, each where the traffic sends it."""
        chosen = dict(re.findall(r'([\w.]+)="([^"]*)"', question["filter"]))
        service = self.services[chosen["resource.labels.service_name"]]
        assert chosen["resource.labels.location"] == "r"
        assert question["aggregation.perSeriesAligner"] == "ALIGN_DELTA"
        assert int(question["aggregation.alignmentPeriod"].removesuffix("s")) >= 60
        since = datetime.fromisoformat(question["interval.startTime"])
        if chosen["metric.type"] == "run.googleapis.com/request_latencies":
            assert question["aggregation.crossSeriesReducer"] == "REDUCE_PERCENTILE_95"
            called = {revision for when, revision, _ in self.calls if when >= since}
            shares = service.shares()
            values = {
                (name, ""): one.p95 if shares.get(name, 0) >= one.slow_from else 20.0
                for name, one in service.revisions.items()
                if name in called
            }
            return {"timeSeries": [one_series(key, {"doubleValue": value}) for key, value in values.items()]}
        assert "metric.label.response_code_class" in question["groups"]
        for revision, percent in service.shares().items():
            for _ in range(CALLERS * percent // 100):
                self.asked(service, revision, "GET", CALLER)
        seen = [(name, kind) for when, name, kind in self.calls if when >= since and name in service.revisions]
        return {"timeSeries": [one_series(key, {"int64Value": str(seen.count(key))}) for key in sorted(set(seen))]}


def one_series(key: tuple[str, str], value: Any) -> dict[str, Any]:
    revision, kind = key
    labels = {"response_code_class": kind} if kind else {}
    return {
        "metric": {"labels": labels},
        "resource": {"type": "cloud_run_revision", "labels": {"revision_name": revision}},
        "points": [{"value": value}],
    }


def metadata(path: str, query: dict[str, list[str]]) -> Answer:
    """The metadata server of a machine on Google Cloud, as far as identity tokens go."""
    account = json.dumps({"email": "deploy@p.iam.gserviceaccount.com", "scopes": [], "aliases": ["default"]})
    text = identity(query["audience"][0]) if path.endswith("/identity") else account
    kind = "text/plain" if path.endswith("/identity") else "application/json"
    return 200, {"metadata-flavor": "Google", "content-type": kind}, text.encode()


def identity(audience: str) -> str:
    """A token that nobody has signed."""
    parts: tuple[dict[str, Any], ...] = ({"alg": "none"}, {"aud": audience, "exp": 4102444800}, {})
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)


def refusal(status: int, message: str) -> Answer:
    words = {"error": {"code": status, "message": message, "status": "ABORTED" if status == 409 else "UNKNOWN"}}
    return status, {"content-type": "application/json"}, json.dumps(words).encode()


@contextmanager
def fake_cloud() -> Iterator[Cloud]:
    cloud = Cloud()
    with answering(cloud.answer) as cloud.base:
        try:
            yield cloud
        finally:
            for fault in cloud.faults:
                fault.release.set()
