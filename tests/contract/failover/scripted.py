"""A side that answers what a test says, behind what stands before the real ones: IAM, and the Gateway's policy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from typing import Any

from contract.failover.servers import Answer, serve_json

GOOD: Answer = (200, {})
GONE: Answer = (0, None)
NOT_READY: Answer = (
    503,
    {"error_code": "MODEL_NOT_READY", "message": "No version is active.", "details": [], "request_id": "r"},
)


def metadata_of(version: str, digest: str = "d" * 64) -> Answer:
    return 200, {"name": "churn", "version": version, "digest": digest}


@dataclass
class Scripted:
    """`later` are the answers to the next probes, one after another; then it is as `health` says."""

    url: str = ""
    health: Answer = GOOD
    later: list[Answer] = field(default_factory=list)
    metadata: Answer = field(default_factory=lambda: metadata_of("7"))
    predict: Answer = GOOD
    failing_after: int | None = None  # good answers of /predict
    guarded: bool = True
    origin: str | None = None
    tokens: set[str] = field(default_factory=set)
    bodies: list[Any] = field(default_factory=list)

    def answer(self, method: str, path: str, headers: Message, body: bytes) -> Answer:
        if self.origin and (headers["x-modelserve-origin"], headers["host"]) != (self.origin, "gke.example.com"):
            return 403, "Denied by the security policy"
        shown = headers.get("authorization", "")
        if self.guarded and not shown:
            return 403, "Your client does not have permission"
        self.tokens.add(shown)
        if path == "/metadata":
            return self.metadata
        if path == "/predict":
            self.bodies.append(json.loads(body))
            failing = self.failing_after is not None and len(self.bodies) > self.failing_after
            return (500, {}) if failing else self.predict
        return self.later.pop(0) if self.later and shown else self.health


@contextmanager
def scripted_side(origin: str | None = None) -> Iterator[Scripted]:
    side = Scripted(origin=origin)
    with serve_json(side.answer) as side.url:
        yield side
