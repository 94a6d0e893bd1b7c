"""Whether a service takes a version up and answers well with it: asked once a second, with rows the version knows."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from itertools import cycle
from typing import Any, Final

import httpx

from modelserve.schema.signature import from_mlmodel
from modelserve.store.versions.manifest import Manifest
from modelserve_control.common.identity import Identity, chosen, of_nobody

INTERVAL_SECONDS: Final = 1.0
TIMEOUT_SECONDS: Final = 10.0  # the functions' own budget is 8 s
# Several instances answer at one address: so many answers in a row, and most of them have the version.
ARRIVED: Final = 5
# Before so many answers a ratio says nothing.
ENOUGH: Final = 10


@dataclass(frozen=True)
class Answer:
    """`reason` is None when it was a good one. `version` is the one that made it, where that is known."""

    version: str | None
    reason: str | None


@dataclass(frozen=True)
class Watched:
    """`other` are good answers of another version. `reason` is None when all is well."""

    seconds_to_arrive: float | None
    probes: int = 0
    failed: int = 0
    other: int = 0
    reason: str | None = None


class Watch:
    """Of one address."""

    def __init__(
        self, client: httpx.Client, identity: Identity, name: str, sample: Sequence[Mapping[str, Any]]
    ) -> None:
        self.client = client
        self.name = name
        self.identity = identity
        self.rows = cycle(sample) if sample else None

    def run(self, version: str, arrive: float, seconds: float, max_error_ratio: float) -> Watched:
        """At most `arrive` seconds until it answers with `version`, then `seconds` of answers."""
        started = time.monotonic()
        in_a_row = 0
        while in_a_row < ARRIVED:
            answer = self.probe()
            in_a_row = in_a_row + 1 if answer.reason is None and answer.version == version else 0
            if not in_a_row and time.monotonic() - started > arrive:
                last = answer.reason or f"it answers with version {answer.version}"
                return Watched(None, reason=f"version {version} did not arrive within {arrive:g} s: {last}")
            time.sleep(INTERVAL_SECONDS / ARRIVED)
        return self.answers(version, time.monotonic() - started, seconds, max_error_ratio)

    def answers(self, version: str, arrived: float, seconds: float, max_error_ratio: float) -> Watched:
        end = time.monotonic() + seconds
        probes = failed = other = 0
        reason = None
        while (left := end - time.monotonic()) > 0:
            answer = self.probe()
            probes += 1
            if answer.reason is not None:
                failed, reason = failed + 1, answer.reason
            elif answer.version != version:
                other += 1
            if probes >= ENOUGH and failed / probes > max_error_ratio:
                break
            time.sleep(min(INTERVAL_SECONDS, left))
        bad = probes and failed / probes > max_error_ratio
        told = f"{failed} of {probes} answers failed, the last one: {reason}" if bad else None
        return Watched(round(arrived, 1), probes, failed, other, told)

    def probe(self) -> Answer:
        headers = self.identity.headers()
        try:
            if self.rows is None:
                answer = self.client.get("/health/ready", headers=headers)
            else:
                answer = self.client.post("/predict", json=next(self.rows), headers=headers)
        except httpx.HTTPError as error:
            return Answer(None, type(error).__name__)
        if answer.status_code != HTTPStatus.OK:
            return Answer(None, f"status {answer.status_code}")
        if answer.headers.get("x-model-name") != self.name:
            return Answer(None, "it serves another model")
        return Answer(answer.headers.get("x-model-version"), None)


def watch(
    url: str, manifest: Manifest, token_command: str | None, arrive: float, seconds: float, max_error_ratio: float
) -> Watched:
    with httpx.Client(base_url=url, timeout=TIMEOUT_SECONDS) as client:
        found = Watch(client, Identity(chosen(token_command, of_nobody), url), manifest.name, sample(manifest))
        return found.run(manifest.version, arrive, seconds, max_error_ratio)


def sample(manifest: Manifest) -> Sequence[Mapping[str, Any]]:
    """The rows that were scored before the version was published, where they are records as a caller sends them."""
    signature = from_mlmodel(manifest.signature)
    return manifest.sample if signature is None or signature.named else ()
