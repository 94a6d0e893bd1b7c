"""What the log and the summary say, whatever comes."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from modelserve.differences import compare
from modelserve.errors import SettingError
from modelserve.settings import Settings
from modelserve.shadow import Offer
from modelserve.shadow_report import MOST_LINES, Report

SHADOW = {"shadow_model": "tiny", "shadow_version": "8"}


def offer(dropped: int = 0) -> Offer:
    return Offer(False, "POST", "/predict", b"", b"", b"", b"", "tiny", "7", "r1", dropped)


@pytest.fixture
def report(caplog: pytest.LogCaptureFixture) -> Report:
    caplog.set_level(logging.INFO, "modelserve")
    return Report(Settings.from_environ({}))


def fields(caplog: pytest.LogCaptureFixture, message: str) -> list[dict[str, Any]]:
    return [vars(record)["fields"] for record in caplog.records if record.message == message]


def test_the_summary_has_what_was_found(report: Report, caplog: pytest.LogCaptureFixture) -> None:
    report.early(offer())
    report.compared(offer(), SHADOW, compare([0.5], [0.5], 1e-6))
    report.compared(offer(), SHADOW, compare(["no", 0.5], ["yes", 2.0], 1e-6))
    report.failed(offer(3), SHADOW, "MODEL_FAILED")
    report.summarise()
    report.summarise()  # nothing came since
    (found,) = fields(caplog, "shadow summary")
    assert found == {
        "model": "tiny", "version": "7", **SHADOW,
        "compared": 2, "differing": 1, "flips": 1, "greatest": 1.5, "early": 1, "dropped": 3, "unpublished": 0,
        "errors": {"MODEL_FAILED": 1},
    }  # fmt: skip


def test_single_differences_are_told_without_values_and_only_a_few_between_summaries(
    report: Report, caplog: pytest.LogCaptureFixture
) -> None:
    differing = compare(["secret"], ["other"], 1e-6)
    for _ in range(MOST_LINES + 5):
        report.compared(offer(), SHADOW, differing)
    told = fields(caplog, "the shadow answers otherwise")
    assert len(told) == MOST_LINES
    assert told[0] == {
        "request_id": "r1", "model": "tiny", "version": "7", **SHADOW, "counts": {"flip": 1}, "greatest": 0.0,
    }  # fmt: skip
    report.summarise()
    report.failed(offer(), SHADOW, "MODEL_FAILED")
    assert len(fields(caplog, "the shadow answers otherwise")) == MOST_LINES + 1


def test_a_topic_needs_a_project() -> None:
    with pytest.raises(SettingError, match="SHADOW_TOPIC names no project"):
        Report(Settings.from_environ({"SHADOW_TOPIC": "differences"}))
