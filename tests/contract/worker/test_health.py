"""When the worker says that it is ready, and what it refuses to start with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hosting import QUICK, hosting, pulled, working
from modelserve_control.common.processes import ProcessFailed
from serving import release

if TYPE_CHECKING:
    from models.library import Library  # imports mlflow, which takes seconds

LIVE = "/health/live"


def test_it_is_ready_once_a_model_is_active_and_pulls_nothing_before(models: Library, tmp_path: Path) -> None:
    store = tmp_path / "store"
    with pulled("ready") as pulls:
        more = {"MODEL_URI": f"{store}/models/two@champion", "MODEL_TRUST": "pickle", "MODEL_REFRESH_SECONDS": "0.1"}
        store.mkdir()
        with hosting("worker", tmp_path / "log", more | pulls.settings, LIVE) as worker:
            (sent,) = pulls.publish(b'{"x": 1.0}')
            answer = worker.client.get("/health/ready")
            assert (answer.status_code, answer.json()["error_code"]) == (503, "MODEL_NOT_READY")
            release(store, "two", models.path("two_outputs"), runtime="compiled")
            worker.child.wait_until(lambda: worker.client.get("/health/ready").status_code == 200)
            (seen,) = pulls.predictions(1)
            assert seen.attributes["source_message_id"] == sent


def test_a_subscription_may_be_made_later(models: Library, tmp_path: Path) -> None:
    with pulled("later") as pulls:
        pulls.subscriber.delete_subscription(subscription=pulls.subscription)
        with working(models, "two_outputs", pulls, tmp_path, LIVE) as worker:
            worker.child.wait_until(lambda: "the subscription cannot be pulled" in worker.child.log.read_text())
            answer = worker.client.get("/health/ready")
            assert (answer.status_code, answer.json()["error_code"]) == (503, "UNAVAILABLE")
            request = {"name": pulls.subscription, "topic": pulls.names.events, "retry_policy": QUICK}
            pulls.subscriber.create_subscription(request=request)
            worker.child.wait_until(lambda: worker.client.get("/health/ready").status_code == 200)
            pulls.publish(b'{"x": 1.0}')
            assert len(pulls.predictions(1)) == 1


def test_it_has_three_addresses(models: Library, tmp_path: Path) -> None:
    with pulled("addresses") as pulls, working(models, "two_outputs", pulls, tmp_path) as worker:
        assert worker.client.get(LIVE).json() == {"status": "ok"}
        assert worker.client.get("/predict").json()["error_code"] == "NOT_FOUND"
        assert worker.post(LIVE, {}).json()["error_code"] == "METHOD_NOT_ALLOWED"
        assert "modelserve_activations_total" in worker.client.get("/metrics").text


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "SUBSCRIPTION is not set"),
        ({"SUBSCRIPTION": "s"}, "SUBSCRIPTION names no project"),
        ({"SUBSCRIPTION": "projects/p/subscriptions/s"}, "PREDICTIONS_TOPIC is not set"),
        ({"SUBSCRIPTION": "projects/p/subscriptions/s", "DRY_RUN": "true"}, "DRY_RUN is for predict_event"),
        ({"MAX_LEASED_MESSAGES": "0"}, "MAX_LEASED_MESSAGES must be a number from 1"),
    ],
)
def test_a_setting_that_cannot_be_ends_it_with_a_sentence(settings: dict[str, str], said: str, tmp_path: Path) -> None:
    said = rf"ended with status 1\. Its last lines:\nmodelserve: {said}"
    with pytest.raises(ProcessFailed, match=said), hosting("worker", tmp_path / "log", settings):
        pass


def test_another_entry_point_is_refused(tmp_path: Path) -> None:
    said = r"usage: python -m modelserve http\|events\|worker"
    with pytest.raises(ProcessFailed, match=said), hosting("server", tmp_path / "log", {}):
        pass
