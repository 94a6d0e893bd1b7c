"""Revisions as data: what they answer, and the doors they answer at."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import requests

from http_server import Answer

GOLDEN = '{"request": {"x": 1}, "expected": {"prediction": 0.5}}\n'
CALLER = "/caller"  # what those who are not this test ask for


@dataclass
class Revision:
    """`upstream` is the address of a real function, which then answers instead. `seconds` is how long the first `slow`
    predictions take.

    `fails_from` is the share of the traffic from which on callers get 500, though probes do not. `p95` in milliseconds
    is what Monitoring says of the callers, from the share `slow_from` on; before it is 20. `failed` is why it never gets ready, `pending` how often it is not ready yet. `probed` is what this test's rollout asked for.
    `archive` is what Terraform built it from, `image` what came of that.
    """

    model: str = "churn"
    version: str = "7"
    health: int = HTTPStatus.OK
    starting: int = 0
    prediction: Any = 0.5
    seconds: float = 0.0
    slow: int = 0
    upstream: str | None = None
    fails_from: int = 101
    p95: float = 20.0
    slow_from: int = 0
    failed: str = ""
    pending: int = 0
    archive: str = ""
    image: str = ""
    name: str = ""
    probed: list[str] = field(default_factory=list)

    def answer(self, method: str, path: str, body: bytes, share: int) -> Answer:
        if path == CALLER:
            return self.plain(500 if share >= self.fails_from else 200, {})
        self.probed.append(path)
        if self.upstream:
            return self.passed(method, path, body)
        if path == "/health/ready":
            if self.starting:
                self.starting -= 1
                return self.plain(503, {"error_code": "MODEL_NOT_READY"})
            return self.plain(self.health, {"status": "ok"})
        if self.slow:
            self.slow -= 1
            time.sleep(self.seconds)
        return self.plain(200, {"prediction": self.prediction, "probabilities": {"yes": 0.25}})

    def plain(self, status: int, content: Any) -> Answer:
        headers = {"content-type": "application/json", "x-model-name": self.model, "x-model-version": self.version}
        return status, headers, json.dumps(content).encode()

    def passed(self, method: str, path: str, body: bytes) -> Answer:
        kind = {"content-type": "application/json"}
        found = requests.request(method, f"{self.upstream}{path}", data=body, headers=kind, timeout=30)
        return (
            found.status_code,
            {name: found.headers[name] for name in found.headers if name[:2].lower() == "x-"},
            found.content,
        )
