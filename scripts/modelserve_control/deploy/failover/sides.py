"""What answers: the functions or the cluster, asked directly and not through the load balancer."""

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
class Look:
    """What one side said. `reason` is None when it is ready; `status` is None when nothing answered."""

    status: int | None
    reason: str | None
    model: Model | None = None

    @property
    def ready(self) -> bool:
        return self.reason is None

    @property
    def down(self) -> bool:
        """It cannot serve, in difference to one that turns this caller away."""
        return not self.ready and (
            self.status is None or self.status == HTTPStatus.TOO_MANY_REQUESTS or self.status >= 500
        )

    def told(self) -> dict[str, Any]:
        return {"ready": self.ready, "reason": self.reason, "model": asdict(self.model) if self.model else None}


class Side:
    """`added` is what the load balancer adds to each request; `request` is a body for POST /predict."""

    def __init__(
        self, name: Name, url: str, identity: Identity, added: Mapping[str, str], request: bytes | None
    ) -> None:
        self.name = name
        self.url = checked(url, name)
        self.identity = identity
        self.added = dict(added)
        self.request = request

    def look(self) -> Look:
        """Whether it is ready, and which model it serves."""
        found = self.probe()
        if not found.ready:
            return found
        try:
            answer = self._ask("GET", "/metadata", self.identity.headers())
        except requests.RequestException as error:
            return Look(None, f"GET /metadata: {kind(error)}")
        if answer.status_code != HTTPStatus.OK:
            return Look(answer.status_code, said("GET /metadata", answer))
        model = model_of(answer.content)
        return Look(answer.status_code, None if model else "GET /metadata names no published model", model)

    def probe(self) -> Look:
        """Whether it is ready, and answers the request when there is one."""
        found = self._probe("GET", "/health/ready")
        return self._probe("POST", "/predict", self.request) if found.ready and self.request is not None else found

    def anonymous(self) -> int | None:
        """What a caller without an identity gets: the status, or None for no answer."""
        try:
            return self._ask("GET", "/health/ready", {}).status_code
        except requests.RequestException:
            return None

    def _probe(self, method: str, path: str, body: bytes | None = None) -> Look:
        try:
            answer = self._ask(method, path, self.identity.headers(), body)
        except requests.RequestException as error:
            return Look(None, f"{method} {path}: {kind(error)}")
        good = answer.status_code == HTTPStatus.OK
        return Look(answer.status_code, None if good else said(f"{method} {path}", answer))

    def _ask(self, method: str, path: str, shown: Mapping[str, str], body: bytes | None = None) -> requests.Response:
        # A connection of its own each time: one that is kept would stay with one instance. Whoever sends elsewhere,
        # to a page for people to sign in for example, has not answered.
        headers = {**self.added, **shown, "Content-Type": "application/json"}
        return requests.request(
            method, self.url + path, headers=headers, data=body, timeout=PROBE_SECONDS, allow_redirects=False
        )


def checked(url: str, name: Name) -> str:
    """Tokens are shown to it, so it is encrypted or does not leave this machine."""
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK):
        return url.rstrip("/")
    raise BadSetting(f"--{name}-url must begin with https://.")


def model_of(body: bytes) -> Model | None:
    """None also for a model that was not published: without a manifest it has no digest to compare."""
    try:
        document = json.loads(body)
        name, version, digest = (document[key] for key in ("name", "version", "digest"))
    except (ValueError, KeyError, TypeError):
        return None
    return Model(name, version, digest) if name and version and digest else None


def said(what: str, answer: requests.Response) -> str:
    """Our errors name themselves; of anybody else's answer only the status is told."""
    try:
        body = json.loads(answer.content)
        return f"{what} gave {answer.status_code} {body['error_code']}: {body['message'].rstrip('.')}"
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"{what} gave {answer.status_code}"


def kind(error: requests.RequestException) -> str:
    return f"no answer within {PROBE_SECONDS:g} s" if isinstance(error, requests.Timeout) else "no answer"
