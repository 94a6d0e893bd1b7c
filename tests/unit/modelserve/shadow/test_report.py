"""What the log and the summary say, whatever comes."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from modelserve.core.errors import BadSetting
from modelserve.core.settings import Settings
from modelserve.payloads.differences import compare
from modelserve.shadow.report import MAX_LINES, MAX_PAIRS, MAX_WAITING, Report
from modelserve.shadow.sender import Sample
from modelserve_control.local import resources
from pubsub_host import serve_in_thread

SHADOW = {"shadow_model": "tiny", "shadow_version": "8", "shadow_manifest_sha256": "ab12"}
OTHER = SHADOW | {"shadow_version": "9", "shadow_manifest_sha256": "cd34"}
ALIKE, FLIPPED = compare(["no"], ["no"], 1e-6), compare(["no"], ["yes"], 1e-6)


def sample(dropped: int = 0) -> Sample:
    return Sample(False, "POST", "/predict", b"", b"", b"", b"", "tiny", "7", "r1", dropped)


@pytest.fixture
def report(caplog: pytest.LogCaptureFixture) -> Report:
    caplog.set_level(logging.INFO, "modelserve")
    return Report(Settings.from_environ({}))


def fields(caplog: pytest.LogCaptureFixture, message: str) -> list[dict[str, Any]]:
    return [vars(record)["fields"] for record in caplog.records if record.message == message]


def test_the_summary_has_what_was_found(report: Report, caplog: pytest.LogCaptureFixture) -> None:
    report.add_early(sample())
    report.add_comparison(sample(), SHADOW, compare([0.5], [0.5], 1e-6))
    report.add_comparison(sample(), SHADOW, compare(["no", 0.5], ["yes", 2.0], 1e-6))
    report.add_failure(sample(3), SHADOW, "MODEL_FAILED")
    report.summarise()
    report.summarise()  # nothing came since
    (found,) = fields(caplog, "shadow summary")
    assert found == {
        "model": "tiny", "version": "7", **SHADOW,
        "compared": 2, "differing": 1, "flips": 1, "greatest": 1.5, "early": 1, "dropped": 3, "unpublished": 0,
        "rows": 1, "flipped": 1, "forms": 0, "errors": {"MODEL_FAILED": 1},
    }  # fmt: skip


def test_single_differences_are_told_without_values_and_only_a_few_between_summaries(
    report: Report, caplog: pytest.LogCaptureFixture
) -> None:
    differing = compare(["secret"], ["other"], 1e-6)
    for _ in range(MAX_LINES + 5):
        report.add_comparison(sample(), SHADOW, differing)
    lines = fields(caplog, "the answer of the shadow differs")
    assert len(lines) == MAX_LINES
    assert lines[0] == {
        "request_id": "r1", "model": "tiny", "version": "7", **SHADOW, "counts": {"flip": 1}, "greatest": 0.0,
    }  # fmt: skip
    report.summarise()
    report.add_failure(sample(), SHADOW, "MODEL_FAILED")
    assert len(fields(caplog, "the answer of the shadow differs")) == MAX_LINES + 1


def test_a_topic_needs_a_project() -> None:
    with pytest.raises(BadSetting, match="SHADOW_TOPIC names no project"):
        Report(Settings.from_environ({"SHADOW_TOPIC": "differences"}))


def test_each_pair_of_versions_has_counts_of_its_own(report: Report, caplog: pytest.LogCaptureFixture) -> None:
    report.add_comparison(sample(), SHADOW, FLIPPED)
    report.add_comparison(sample(), OTHER, ALIKE)
    report.summarise()
    report.add_comparison(sample(), OTHER, ALIKE)
    report.summarise()
    told = [(found["shadow_version"], found["compared"], found["flips"]) for found in fields(caplog, "shadow summary")]
    assert told == [("8", 1, 1), ("9", 1, 0), ("9", 2, 0)]


def test_the_counts_that_were_used_longest_ago_are_forgotten_and_begun_under_another_id(report: Report) -> None:
    report.add_comparison(sample(), SHADOW, ALIKE)
    first = report.last.id
    for version in range(MAX_PAIRS - 1):
        report.add_comparison(sample(), OTHER | {"shadow_version": str(version)}, ALIKE)
        report.add_comparison(sample(), SHADOW, ALIKE)
    report.add_comparison(sample(), OTHER | {"shadow_version": "one too many"}, ALIKE)
    report.add_comparison(sample(), SHADOW, ALIKE)
    assert (report.last.id, report.last.tally.compared) == (first, MAX_PAIRS + 1)
    for version in range(MAX_PAIRS):
        report.add_comparison(sample(), OTHER | {"shadow_version": f"next-{version}"}, ALIKE)
    report.add_comparison(sample(), SHADOW, ALIKE)
    assert report.last.id != first
    assert (report.last.tally.compared, len(report.pairs)) == (1, MAX_PAIRS)


@dataclass(frozen=True)
class Topic:
    """One of a real server's, which is there once it is made."""

    host: str
    name: str

    def make(self) -> None:
        with resources.publisher(self.host) as topics, resources.subscriber(self.host) as subscriptions:
            topics.create_topic(request={"name": self.name})
            # Nothing comes a second time, however long reading it takes.
            request = {"name": self.subscription, "topic": self.name, "ack_deadline_seconds": 600}
            subscriptions.create_subscription(request=request)

    @property
    def subscription(self) -> str:
        return self.name.replace("/topics/", "/subscriptions/")

    def take(self, count: int) -> list[tuple[Any, dict[str, str]]]:
        """So many bodies and attributes, in the order in which they were published."""
        found: list[Any] = []
        with resources.subscriber(self.host) as subscriptions:
            while len(found) < count:
                found += subscriptions.pull(
                    subscription=self.subscription, max_messages=1_000, retry=None, timeout=30
                ).received_messages
        messages = [one.message for one in found]
        assert len(messages) == count
        return [(json.loads(one.data), dict(one.attributes)) for one in messages]


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    with serve_in_thread() as running:
        yield running


@pytest.fixture
def topic(host: str, monkeypatch: pytest.MonkeyPatch) -> Topic:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", host)
    return Topic(host, f"projects/p/topics/t-{uuid.uuid4().hex}")


def make_report(topic: Topic) -> Report:
    return Report(Settings.from_environ({"SHADOW_TOPIC": topic.name}))


async def wait_until_published(report: Report) -> None:
    while report._publishing:
        await asyncio.wait(report._publishing)


def test_every_message_has_all_counts_so_far(topic: Topic) -> None:
    report = make_report(topic)
    topic.make()

    async def run() -> None:
        report.add_comparison(sample(), SHADOW, ALIKE)
        report.add_comparison(sample(), SHADOW, FLIPPED)
        await wait_until_published(report)
        report.add_failure(sample(), SHADOW, "MODEL_FAILED")
        await wait_until_published(report)
        report.add_comparison(sample(dropped=4), SHADOW, ALIKE)
        report.summarise()
        await wait_until_published(report)
        report.summarise()  # nothing came since
        await wait_until_published(report)

    asyncio.run(run())
    taken = topic.take(3)
    assert [attributes["kind"] for _, attributes in taken] == ["difference", "difference", "summary"]
    bodies = [body for body, _ in taken]
    assert [body["so_far"]["compared"] for body in bodies] == [2, 2, 3]
    assert [body["so_far"]["errors"] for body in bodies] == [{}, {"MODEL_FAILED": 1}, {"MODEL_FAILED": 1}]
    assert {body["shadow_id"] for body in bodies} == {report.last.id}
    summary, attributes = taken[-1]
    assert summary == {
        "model": "tiny", "version": "7", **SHADOW, "shadow_id": report.last.id, "early": 0, "dropped": 4, "unpublished": 0,
        "so_far": {
            "compared": 3, "differing": 1, "flips": 1, "greatest": 0.0, "rows": 3, "flipped": 1, "forms": 0,
            "errors": {"MODEL_FAILED": 1},
        },
    }  # fmt: skip
    assert attributes == {"kind": "summary", "model_name": "tiny", "model_version": "7", "shadow_version": "8"}


def test_a_summary_that_the_topic_did_not_take_is_told_again(topic: Topic) -> None:
    report = make_report(topic)

    async def run() -> None:
        report.add_comparison(sample(), SHADOW, ALIKE)
        report.summarise()
        await wait_until_published(report)
        topic.make()
        report.summarise()
        await wait_until_published(report)
        report.add_comparison(sample(), SHADOW, ALIKE)
        report.summarise()
        await wait_until_published(report)

    asyncio.run(run())
    summaries = [(body["unpublished"], body["so_far"]["compared"]) for body, _ in topic.take(2)]
    assert summaries == [(1, 1), (1, 2)]


def test_of_more_differences_than_may_wait_the_summary_tells(topic: Topic) -> None:
    report = make_report(topic)
    topic.make()

    async def run() -> None:
        for _ in range(MAX_WAITING + 10):
            report.add_comparison(sample(), SHADOW, FLIPPED)
        report.summarise()
        await wait_until_published(report)

    asyncio.run(run())
    kinds = Counter(attributes["kind"] for _, attributes in topic.take(MAX_WAITING + 1))
    assert kinds == {"difference": MAX_WAITING, "summary": 1}
    assert (report.counts.unpublished, report.last.tally.differing) == (10, MAX_WAITING + 10)


def test_the_last_summary_is_sent_when_the_server_ends(topic: Topic) -> None:
    report = make_report(topic)
    topic.make()

    async def run() -> None:
        report.add_comparison(sample(), SHADOW, ALIKE)
        await report.finish()

    asyncio.run(run())
    ((body, attributes),) = topic.take(1)
    assert (attributes["kind"], body["so_far"]["compared"]) == ("summary", 1)
