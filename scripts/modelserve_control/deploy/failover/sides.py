"""The functions and the cluster, asked directly and not through the load balancer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

import requests

from modelserve.core.errors import BadSetting
from modelserve_control.common.identity import Identity
from modelserve_control.deploy.failover.weights import Name

PROBE_SECONDS: Final = 10.0  # longer than PREDICT_TIMEOUT_SECONDS, which would answer 504 first
LOOPBACK: Final = ("127.0.0.1", "localhost")
CLOSED: Final = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


@dataclass(frozen=True)
class Model:
    name: str
    version: str
    digest: str

    def __str__(self) -> str:
        return f"{self.name} version {self.version} ({self.digest[:12]})"


@dataclass(frozen=True)
class SideState:
    """`reason` is None when the side is ready; `status` is None when nothing answered."""

    status: int | None
    reason: str | None
    model: Model | None = None

    @property
    def ready(self) -> bool:
        return self.reason is None

    @property
    def down(self) -> bool:
        """Whether it cannot serve. A side that only refuses this caller is not down."""
        return not self.ready and (
            self.status is None or self.status == HTTPStatus.TOO_MANY_REQUESTS or self.status >= 500
        )

    def as_dict(self) -> dict[str, Any]:
        return {"ready": self.ready, "reason": self.reason, "model": asdict(self.model) if self.model else None}


class Side:
    """`added` are the headers that the load balancer adds to each request; `request` is a body for POST /predict."""

    def __init__(
        self, name: Name, url: str, identity: Identity, added: Mapping[str, str], request: bytes | None
    ) -> None:
        self.name = name
        self.url = check_url(url, name)
        self.identity = identity
        self.added = dict(added)
        self.request = request

    def state(self) -> SideState:
        found = self.probe()
        if not found.ready:
            return found
        try:
            answer = self._ask("GET", "/metadata", self.identity.headers())
        except requests.RequestException as error:
            return SideState(None, f"GET /metadata: {describe_failure(error)}")
        if answer.status_code != HTTPStatus.OK:
            return SideState(answer.status_code, describe_refusal("GET /metadata", answer))
        model = model_of(answer.content)
        return SideState(answer.status_code, None if model else "GET /metadata names no published model", model)

    def probe(self) -> SideState:
        """Without the model: GET /health/ready, and POST /predict when there is a request."""
        found = self._probe("GET", "/health/ready")
        return self._probe("POST", "/predict", self.request) if found.ready and self.request is not None else found

    def anonymous_status(self) -> int | None:
        """The status that a caller without an identity gets, or None for no answer."""
        try:
            return self._ask("GET", "/health/ready", {}).status_code
        except requests.RequestException:
            return None

    def _probe(self, method: str, path: str, body: bytes | None = None) -> SideState:
        try:
            answer = self._ask(method, path, self.identity.headers(), body)
        except requests.RequestException as error:
            return SideState(None, f"{method} {path}: {describe_failure(error)}")
        good = answer.status_code == HTTPStatus.OK
        return SideState(answer.status_code, None if good else describe_refusal(f"{method} {path}", answer))

    def _ask(self, method: str, path: str, identity: Mapping[str, str], body: bytes | None = None) -> requests.Response:
        # Each request has a connection of its own: a kept connection would stay with one instance. A redirect, to a page
        # for signing in for example, is no answer.
        headers = {**self.added, **identity, "Content-Type": "application/json"}
        return requests.request(
            method, self.url + path, headers=headers, data=body, timeout=PROBE_SECONDS, allow_redirects=False
        )


def check_url(url: str, name: Name) -> str:
    """Requests carry tokens, so they are encrypted or stay on this machine."""
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK):
        return url.rstrip("/")
    raise BadSetting(f"--{name}-url must begin with https://.")


def model_of(body: bytes) -> Model | None:
    """None also for a model without a manifest, which has no digest to compare."""
    try:
        document = json.loads(body)
        name, version, digest = (document[key] for key in ("name", "version", "digest"))
    except (ValueError, KeyError, TypeError):
        return None
    return Model(name, version, digest) if name and version and digest else None


def describe_refusal(request: str, answer: requests.Response) -> str:
    """With code and message of an error of this kit; of any other answer only the status."""
    try:
        body = json.loads(answer.content)
        return f"{request} gave {answer.status_code} {body['error_code']}: {body['message'].rstrip('.')}"
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"{request} gave {answer.status_code}"


def describe_failure(error: requests.RequestException) -> str:
    return f"no answer within {PROBE_SECONDS:g} s" if isinstance(error, requests.Timeout) else "no answer"
