"""Whether a version arrived and answers well, told by a small server whose answers are data."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.message import Message
from typing import Any

import pytest

from http_server import Answer, answering
from modelserve.store.versions.manifest import Manifest
from modelserve_control.common.services import polling
from modelserve_control.common.services.client import ServiceClient
from modelserve_control.deploy.release import watch as release_watch
from modelserve_control.deploy.release.watch import ANSWERS_IN_A_ROW, Watch, WatchResult
from virtual_time import VirtualTime

NAMED = {"inputs": [{"name": "x", "type": "double"}]}
GOOD = [(200, "m", "8")]
Run = Callable[..., WatchResult]


@dataclass
class Service:
    """`answers`: status, model and version, one after the other; the last one for ever. `asked`: path and body."""

    url: str = ""
    answers: list[tuple[int, str, str]] = field(default_factory=lambda: list(GOOD))
    asked: list[tuple[str, Any]] = field(default_factory=list)

    def answer(self, method: str, target: str, headers: Message, body: bytes) -> Answer:
        self.asked.append((target, json.loads(body) if method == "POST" else None))
        status, name, version = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return status, {"x-model-name": name, "x-model-version": version}, b""


@pytest.fixture(autouse=True)
def virtual(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = VirtualTime()
    monkeypatch.setattr(polling, "time", clock)
    monkeypatch.setattr(release_watch, "time", clock)


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()
    with answering(made.answer) as made.url:
        yield made


def watched(
    service: Service, seconds: float = 2, arrive: float = 1, ratio: float = 0.0, **manifest: Any
) -> WatchResult:
    made = Manifest("m", "8", (), **{"signature": NAMED, "sample": [{"x": 1}, {"x": 2}]} | manifest)
    with ServiceClient(service.url) as client:
        return Watch(client, made).run(arrive, seconds, ratio)


def test_it_is_asked_with_the_rows_that_the_version_was_published_with(service: Service) -> None:
    found = watched(service)
    assert (found.failed, found.other, found.reason) == (0, 0, None)
    assert found.probes == 3
    assert service.asked[:3] == [("/predict", {"x": 1}), ("/predict", {"x": 2}), ("/predict", {"x": 1})]


@pytest.mark.parametrize("manifest", [{"sample": []}, {"signature": {"inputs": [{"type": "double"}]}}])
def test_without_rows_that_a_caller_sends_it_is_asked_whether_it_is_ready(
    service: Service, manifest: dict[str, Any]
) -> None:
    assert watched(service, **manifest).reason is None
    assert {path for path, _ in service.asked} == {"/health/ready"}


@pytest.mark.parametrize(
    ("answer", "last"),
    [
        ((200, "m", "7"), "it answers with version 7"),
        ((503, "m", "8"), "status 503"),
        ((200, "other", "8"), "it serves another model"),
    ],
)
def test_a_version_that_does_not_arrive_is_told_with_the_last_answer(
    service: Service, answer: tuple[int, str, str], last: str
) -> None:
    service.answers[:] = [answer]
    assert watched(service).reason == f"version 8 did not arrive within 1 s: {last}"


def test_the_instances_behind_one_address_may_be_late(service: Service) -> None:
    service.answers[:] = [(200, "m", "7"), *GOOD, (200, "m", "7"), *GOOD * ANSWERS_IN_A_ROW, (200, "m", "7"), *GOOD]
    found = watched(service, arrive=10)
    assert (found.other, found.failed, found.reason) == (1, 0, None)


@pytest.mark.parametrize(("ratio", "reason"), [(0.0, "status 500"), (0.9, None)])
def test_failed_answers_are_beyond_their_ratio_or_not(service: Service, ratio: float, reason: str | None) -> None:
    service.answers[:] = [*GOOD * ANSWERS_IN_A_ROW, (500, "m", "8"), *GOOD]
    found = watched(service, seconds=2, ratio=ratio)
    assert found.failed == 1
    assert found.reason == (f"1 of {found.probes} answers failed, the last one: {reason}" if reason else None)


def test_nobody_at_the_address_is_a_version_that_does_not_arrive(service: Service) -> None:
    made = Manifest("m", "8", (), signature=NAMED)
    with ServiceClient("http://127.0.0.1:9") as client:
        found = Watch(client, made).run(1, 1, 0)
    assert found.reason == "version 8 did not arrive within 1 s: no answer (ConnectError)"
