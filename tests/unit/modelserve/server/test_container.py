from __future__ import annotations

import json
import logging

import pytest

from modelserve.core import logs
from modelserve.core.settings import Settings
from modelserve.events.worker import subscription_path
from modelserve.server.connections import QUIET_SECONDS
from modelserve.server.container import CLOSING, ENDING

GRACE = 10.0  # seconds from SIGTERM to SIGKILL, as on Cloud Run


def test_with_the_defaults_a_process_has_ended_before_it_is_killed() -> None:
    settings = Settings.from_environ({})
    assert QUIET_SECONDS < CLOSING < ENDING
    assert settings.drain_seconds + settings.predict_timeout_seconds + ENDING < GRACE


def test_a_subscription_is_named_in_full_or_in_the_project() -> None:
    full = Settings.from_environ({"SUBSCRIPTION": "projects/p/subscriptions/s"})
    short = Settings.from_environ({"SUBSCRIPTION": "s", "GOOGLE_CLOUD_PROJECT": "p"})
    assert subscription_path(full) == subscription_path(short) == "projects/p/subscriptions/s"


def test_libraries_write_the_same_lines_and_only_errors_of_the_server(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (None, "google"):
        monkeypatch.setattr(logging.getLogger(name), "handlers", [])
    monkeypatch.setattr(logging.getLogger("google"), "propagate", True)
    logs.configure_host()
    logging.getLogger("google.cloud.pubsub_v1").warning("a stream ended")
    logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["message"] == "a stream ended"
