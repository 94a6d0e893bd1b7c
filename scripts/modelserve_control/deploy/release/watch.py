"""Whether a service activates a version and answers well with it, asked with the version's own sample rows."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from itertools import cycle
from typing import Final

from modelserve.schema.signature import from_mlmodel
from modelserve.store.versions.manifest import Manifest
from modelserve_control.common.errors import ServiceUnreachable
from modelserve_control.common.services.client import ServiceClient, model_of
from modelserve_control.common.services.polling import poll

INTERVAL_SECONDS: Final = 1.0
TIMEOUT_SECONDS: Final = 10.0  # PREDICT_TIMEOUT_SECONDS is 8 s
# An address may have several instances: after so many answers in a row most of them have the version.
ANSWERS_IN_A_ROW: Final = 5
MIN_PROBES: Final = 10  # below, an error ratio says nothing


@dataclass(frozen=True)
class WatchResult:
    """`other` counts good answers of another version. `reason` is None when all is well."""

    seconds_to_arrive: float | None
    probes: int = 0
    failed: int = 0
    other: int = 0
    reason: str | None = None


class Watch:
    def __init__(self, client: ServiceClient, manifest: Manifest) -> None:
        self.client = client
        self.manifest = manifest
        self.bodies = sample_bodies(manifest)

    def run(self, arrive: float, seconds: float, max_error_ratio: float) -> WatchResult:
        started = time.monotonic()
        version = self.manifest.version
        pause = INTERVAL_SECONDS / ANSWERS_IN_A_ROW
        good, last = 0, ""
        for _ in poll(arrive + INTERVAL_SECONDS, pause):
            serving, reason = self.probe()
            good = good + 1 if reason is None and serving == version else 0
            last = reason or f"it answers with version {serving}"
            if good == ANSWERS_IN_A_ROW:
                return self.count(round(time.monotonic() - started, 1), seconds, max_error_ratio)
            if not good and time.monotonic() - started > arrive:
                break
        return WatchResult(None, reason=f"version {version} did not arrive within {arrive:g} s: {last}")

    def count(self, arrived: float, seconds: float, max_error_ratio: float) -> WatchResult:
        probes = failed = other = 0
        last = None
        for _ in poll(seconds, INTERVAL_SECONDS):
            serving, reason = self.probe()
            probes += 1
            if reason is not None:
                failed, last = failed + 1, reason
            elif serving != self.manifest.version:
                other += 1
            if probes >= MIN_PROBES and failed / probes > max_error_ratio:
                break
        bad = failed / probes > max_error_ratio
        why = f"{failed} of {probes} answers failed, the last one: {last}" if bad else None
        return WatchResult(arrived, probes, failed, other, why)

    def probe(self) -> tuple[str | None, str | None]:
        """The version that answers, and why the answer is bad; None for a good one."""
        try:
            if self.bodies is None:
                response = self.client.get("/health/ready")
            else:
                response = self.client.post("/predict", next(self.bodies))
        except ServiceUnreachable as error:
            return None, error.reason
        if response.status_code != HTTPStatus.OK:
            return None, f"status {response.status_code}"
        name, version = model_of(response)
        return version, None if name == self.manifest.name else "it serves another model"


def sample_bodies(manifest: Manifest) -> Iterator[bytes] | None:
    """The sample rows over and over; None where they are not records as a caller sends them."""
    signature = from_mlmodel(manifest.signature)
    rows = manifest.sample if signature is None or signature.named else ()
    return cycle([json.dumps(row).encode() for row in rows]) if rows else None
