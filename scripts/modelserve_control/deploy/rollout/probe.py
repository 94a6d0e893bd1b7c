import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from httpx import Response

from modelserve_control.common.errors import ServiceUnreachable
from modelserve_control.common.services.client import UNAUTHORIZED, ServiceClient, decode
from modelserve_control.common.services.polling import poll
from modelserve_control.deploy.rollout.cloud.api import MAX_PAUSE, MIN_PAUSE
from modelserve_control.deploy.rollout.errors import CandidateRejected
from modelserve_control.deploy.rollout.golden import Golden

SAMPLES: Final = 40  # requests to each side, so that two of them lie beyond the 95th percentile
TIMEOUT_SECONDS: Final = 60.0
# Cloud Run itself answers 429 while it has no instance.
STARTING: Final = (
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)


@dataclass(frozen=True)
class Probe:
    """`name` is the revision, for messages. Every method raises CandidateRejected."""

    name: str
    client: ServiceClient

    def wait_until_ready(self, seconds: float) -> Response:
        for _ in poll(seconds, MIN_PAUSE, MAX_PAUSE):
            response = self._request("/health/ready")
            if response.status_code == HTTPStatus.OK:
                return response
            if response.status_code in UNAUTHORIZED:
                raise CandidateRejected(
                    f"{self.name} refuses this caller ({response.status_code}): it needs roles/run.invoker on the service."
                )
            if response.status_code not in STARTING:
                raise CandidateRejected(f"{self.name} answers /health/ready with {response.status_code}.")
        raise CandidateRejected(f"{self.name} was not ready after {seconds:g} s: {error_code(response)}.")

    def post(self, golden: Golden) -> Response:
        return self._request(golden.path, json.dumps(golden.request).encode())

    def seconds(self, golden: Golden) -> float:
        started = time.perf_counter()
        self.post(golden)
        return time.perf_counter() - started

    def _request(self, path: str, body: bytes | None = None) -> Response:
        try:
            return self.client.get(path) if body is None else self.client.post(path, body)
        except ServiceUnreachable as error:
            raise CandidateRejected(f"{self.name} gives {error.reason} to {path}.") from error


def error_code(response: Response) -> str:
    content = decode(response)
    return str(content.get("error_code", "no reason given")) if isinstance(content, dict) else "no reason given"


def compare_latencies(new: Probe, old: Probe, golden: Sequence[Golden]) -> tuple[float, float]:
    """The 95th percentiles in seconds. The two are asked in turns, so that a slow network slows both."""
    rounds = math.ceil(SAMPLES / len(golden))
    both = [(new.seconds(one), old.seconds(one)) for _ in range(rounds) for one in golden]
    return p95([pair[0] for pair in both]), p95([pair[1] for pair in both])


def p95(values: Sequence[float]) -> float:
    """By the nearest rank."""
    return sorted(values)[math.ceil(0.95 * len(values)) - 1]
