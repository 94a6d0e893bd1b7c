"""What a revision answers at an address of its own."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import requests

from modelserve_control.common.identity import Identity
from modelserve_control.deploy.rollout.cloud.api import TIMEOUT, Pauses
from modelserve_control.deploy.rollout.errors import Doubt
from modelserve_control.deploy.rollout.golden import Golden

SAMPLES = 40  # requests to each side, so that two of them lie beyond the 95th percentile
# Cloud Run itself says 429 while it has no instance to give.
STARTING = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
REFUSED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


@dataclass(frozen=True)
class Answer:
    """`seconds` until all of it was there; `content` is None where it is not JSON."""

    status: int
    model: str
    version: str
    content: Any
    seconds: float


class Probe:
    """`url` is asked with the tokens of `identity`. `name` is the revision, for messages."""

    def __init__(self, name: str, url: str, identity: Identity) -> None:
        self.name = name
        self._url = url.rstrip("/")
        self._identity = identity
        self._session = requests.Session()

    def close(self) -> None:
        self._session.close()

    def ready(self, seconds: float) -> Answer:
        """Waits until its model is active. Raises Doubt."""
        pauses = Pauses(seconds)
        while True:
            answer = self._ask("/health/ready")
            if answer.status == HTTPStatus.OK:
                return answer
            if answer.status in REFUSED:
                raise Doubt(
                    f"{self.name} refuses this caller ({answer.status}): it needs roles/run.invoker on the service."
                )
            if answer.status not in STARTING:
                raise Doubt(f"{self.name} answers /health/ready with {answer.status}.")
            if not pauses.again():
                raise Doubt(f"{self.name} was not ready after {seconds:g} s: {said(answer)}.")

    def serves(self, answer: Answer, model: str | None, version: str | None) -> None:
        """Raises Doubt when the model or its version is not the expected one."""
        if model is not None and answer.model != model:
            raise Doubt(f"{self.name} serves the model {answer.model or 'none'} instead of {model}.")
        if version is not None and answer.version != version:
            raise Doubt(f"{self.name} serves version {answer.version or 'none'} of the model instead of {version}.")

    def gives(self, golden: Sequence[Golden]) -> None:
        """Raises Doubt when an answer is not the expected one."""
        for number, one in enumerate(golden, 1):
            answer = self._ask(one.path, one)
            if answer.status != HTTPStatus.OK:
                raise Doubt(f"{self.name} answers golden request {number} with {answer.status}: {said(answer)}.")
            if found := one.difference(answer.content):
                raise Doubt(f"{self.name} answers golden request {number} otherwise: {found}.")

    def seconds(self, one: Golden) -> float:
        return self._ask(one.path, one).seconds

    def _ask(self, path: str, golden: Golden | None = None) -> Answer:
        headers = self._identity.headers()
        method = "GET" if golden is None else "POST"
        json = None if golden is None else golden.request
        start = time.perf_counter()
        try:
            found = self._session.request(
                method, self._url + path, json=json, headers=headers, timeout=3 * TIMEOUT, allow_redirects=False
            )
        except requests.RequestException as error:
            raise Doubt(f"{self.name} does not answer {path}: {type(error).__name__}.") from error
        seconds = time.perf_counter() - start
        try:
            content = found.json()
        except ValueError:
            content = None
        model, version = (found.headers.get(f"x-model-{part}", "") for part in ("name", "version"))
        return Answer(found.status_code, model, version, content, seconds)


def said(answer: Answer) -> str:
    content = answer.content
    return str(content.get("error_code", "no reason given")) if isinstance(content, dict) else "no reason given"


@contextmanager
def probing(name: str, url: str, identity: Identity) -> Iterator[Probe]:
    made = Probe(name, url, identity)
    try:
        yield made
    finally:
        made.close()


def side_by_side(new: Probe, old: Probe, golden: Sequence[Golden]) -> tuple[float, float]:
    """The 95th percentile of both in seconds, asked in turns, so that what slows the line down slows both."""
    rounds = math.ceil(SAMPLES / len(golden))
    both = [(new.seconds(one), old.seconds(one)) for _ in range(rounds) for one in golden]
    return p95([pair[0] for pair in both]), p95([pair[1] for pair in both])


def p95(values: Sequence[float]) -> float:
    """By the nearest rank."""
    return sorted(values)[math.ceil(0.95 * len(values)) - 1]
