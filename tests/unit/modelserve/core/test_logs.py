from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from modelserve.core import logs
from modelserve.core.errors import ModelFailed

LOGGER = logging.getLogger("modelserve")


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    before = (LOGGER.handlers[:], LOGGER.level, LOGGER.propagate)
    yield
    LOGGER.handlers[:], LOGGER.propagate = before[0], before[2]
    LOGGER.setLevel(before[1])


def line(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    found: dict[str, Any] = json.loads(out)
    return found


def fail() -> None:
    try:
        raise ValueError("secret cell")
    except ValueError as error:
        raise ModelFailed("The model raised.") from error


def test_a_line_is_one_json_object_in_cloud_loggings_fields(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("INFO", process="shadow")
    logging.getLogger("modelserve.models.active").info("version %s", 7, extra={"fields": {"digest": "d", "at": [1]}})
    found = line(capsys)
    assert (found["severity"], found["message"], found["logger"]) == ("INFO", "version 7", "modelserve.models.active")
    assert (found["digest"], found["at"], found["process"]) == ("d", [1], "shadow")
    assert found["time"].endswith("+00:00")


def test_the_level_is_kept_and_configuring_twice_writes_once(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("WARNING")
    logs.configure("WARNING")
    LOGGER.info("no")
    LOGGER.warning("yes")
    assert line(capsys)["message"] == "yes"


def test_an_exception_shows_its_type_and_places_but_no_text_of_others(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("INFO")
    try:
        fail()
    except ModelFailed:
        LOGGER.error("failed", exc_info=True)
    found = line(capsys)
    described = found["exception"]
    assert (described["type"], described["code"], described["message"]) == (
        "ModelFailed",
        "MODEL_FAILED",
        "The model raised.",
    )
    assert described["cause"]["type"] == "ValueError"
    assert described["at"][-1].startswith("test_logs.py:")
    assert "secret" not in json.dumps(found)


def test_the_text_of_an_exception_is_for_debugging(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("DEBUG")
    try:
        fail()
    except ModelFailed:
        LOGGER.error("failed", exc_info=True)
    assert line(capsys)["exception"]["cause"]["text"] == "secret cell"


def test_places_name_files_without_folders() -> None:
    try:
        fail()
    except ModelFailed:
        places = logs.places(sys.exc_info()[2])
    assert all("/" not in place for place in places)
