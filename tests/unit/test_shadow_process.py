from __future__ import annotations

import logging

from modelserve.shadow_process import MOST_COMPLAINTS, Marked


def record(level: int, seconds: float) -> logging.LogRecord:
    made = logging.LogRecord("modelserve", level, __file__, 1, "text", (), None)
    made.created = seconds
    return made


def test_its_lines_are_marked_and_its_complaints_are_few() -> None:
    marked = Marked()
    told = [marked(record(logging.ERROR, 60.0 + number / 10)) for number in range(100)]
    assert sum(told) == MOST_COMPLAINTS
    assert marked(record(logging.INFO, 110.0))
    later = record(logging.WARNING, 121.0)
    later.fields = {"model_name": "churn"}
    assert marked(later)
    assert vars(later)["fields"] == {"process": "shadow", "model_name": "churn"}
