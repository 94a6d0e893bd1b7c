"""The functions and the cluster, asked directly and not through the load balancer."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from httpx import Response

from modelserve.core.errors import BadSetting
from modelserve_control.common.errors import ServiceUnreachable
from modelserve_control.common.services.client import LOOPBACK, ServiceClient
from modelserve_control.common.services.identity import Identity
from modelserve_control.deploy.failover.weights import Name

PROBE_SECONDS: Final = 10.0  # longer than PREDICT_TIMEOUT_SECONDS, which would answer 504 first
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


class Side:
    """`added` are the headers that the load balancer adds to each request; `request` is a body for POST /predict."""

    def __init__(
        self, name: Name, url: str, identity: Identity, added: Mapping[str, str], request: bytes | None
    ) -> None:
        self.name = name
        self.url = check_url(url, name)
        self.request = request
        # A connection that is kept would stay with one instance.
        self.client = ServiceClient(url, identity, headers=added, timeout=PROBE_SECONDS, keep_alive=False)
        self.anonymous_client = ServiceClient(url, headers=added, timeout=PROBE_SECONDS, keep_alive=False)

    def state(self) -> SideState:
        found = self.probe()
        if not found.ready:
            return found
        found, answer = self._ask("GET /metadata", lambda: self.client.get("/metadata"))
        if answer is None or not found.ready:
            return found
        model = model_of(answer.content)
        return SideState(answer.status_code, None if model else "GET /metadata names no published model", model)

    def probe(self) -> SideState:
        found, _ = self._ask("GET /health/ready", lambda: self.client.get("/health/ready"))
        body = self.request
        if body is None or not found.ready:
            return found
        return self._ask("POST /predict", lambda: self.client.post("/predict", body))[0]

    def anonymous_status(self) -> int | None:
        try:
            return self.anonymous_client.get("/health/ready").status_code
        except ServiceUnreachable:
            return None

    def _ask(self, what: str, ask: Callable[[], Response]) -> tuple[SideState, Response | None]:
        try:
            answer = ask()
        except ServiceUnreachable as error:
            return SideState(None, f"{what}: {error.reason}"), None
        refusal = None if answer.status_code == HTTPStatus.OK else describe_refusal(what, answer)
        return SideState(answer.status_code, refusal), answer


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


def describe_refusal(what: str, answer: Response) -> str:
    try:
        body = json.loads(answer.content)
        return f"{what} gave {answer.status_code} {body['error_code']}: {body['message'].rstrip('.')}"
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"{what} gave {answer.status_code}"
