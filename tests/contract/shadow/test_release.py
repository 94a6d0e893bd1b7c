"""`modelserve release --shadow`: what the shadow of a really running function tells decides whether a version is promoted."""

from __future__ import annotations

import json
import signal
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from command_line import CommandLine, finish
from contract.events.topics import Topics
from contract.shadow.shadows import EACH, Shadowed, eventually, shadowed
from models.library import Library
from modelserve_control.common.errors import NothingShadowed
from modelserve_control.common.progress import Lines
from modelserve_control.deploy.release import shadow as release_shadow
from modelserve_control.deploy.release.options import ReleaseOptions
from modelserve_control.deploy.release.run import release as release_version
from modelserve_control.registry import catalog
from serving import release

STAYS = {"contract": "two_year", "tenure": 60, "monthlycharges": 20.25}
LEAVES = {"contract": "month-to-month", "tenure": 1, "monthlycharges": 80.5}
LABEL = {"positive_class": "yes", "label": "churn"}
LEAST = 20


@dataclass(frozen=True)
class Shadowing:
    """A store whose model `churn` has two versions that answer alike for customers who stay, on whom they are compared."""

    directory: Path
    topics: Topics
    topic: str
    subscription: str
    started: ExitStack = field(default_factory=ExitStack)

    @property
    def store(self) -> Path:
        return self.directory / "store"

    @property
    def command(self) -> CommandLine:
        return CommandLine(str(self.store), {"PUBSUB_EMULATOR_HOST": self.topics.host})

    def words(self, seconds: float) -> list[str]:
        return [
            "release", "churn", "2", "--data", str(self.directory / "rows.jsonl"),
            "--thresholds", str(self.directory / "thresholds.yaml"),
            "--shadow", str(seconds), "--shadow-subscription", self.subscription, "--shadow-answers", str(LEAST),
        ]  # fmt: skip

    def start(self, seconds: float) -> subprocess.Popen[str]:
        return self.started.enter_context(self.command.started(*self.words(seconds), "--json"))

    def ended(self) -> dict[str, Any]:
        """The record of a release whose time is up as soon as it has heard what waits, and not a minute later."""
        options = ReleaseOptions(
            "churn", "2", str(self.store), str(self.directory / "rows.jsonl"), self.directory / "thresholds.yaml",
            shadow=1.0, shadow_subscription=self.subscription, shadow_answers=LEAST,
        )  # fmt: skip
        with pytest.MonkeyPatch.context() as changed, catalog.open_store(str(self.store)) as objects:
            changed.setattr(release_shadow, "LAST_SUMMARY", 0.0)
            changed.setenv("PUBSUB_EMULATOR_HOST", self.topics.host)
            return release_version(objects, options, Lines())

    def end(self, running: subprocess.Popen[str], code: int) -> Any:
        return json.loads(finish(running, code).out)

    @contextmanager
    def serving(self) -> Iterator[Shadowed]:
        """A function whose shadow answers with version 2."""
        self.command("promote", "churn", "2", "--alias", "challenger")
        uri = f"{self.store}/models/churn"
        settings = {"MODEL_REFRESH_SECONDS": "0.2", "SHADOW_TOPIC": self.topic, **self.topics.settings, **EACH}
        with shadowed(self.directory, f"{uri}@champion", f"{uri}@challenger", **settings) as shadow:
            shadow.wait_until_active(lambda: shadow.served.post("/predict", STAYS))
            yield shadow

    def wait_until_it_listens(self) -> None:
        eventually(lambda: "shadow" in self.record(), "it did not begin to shadow")

    def alias(self) -> str:
        found = json.loads((self.store / "models/churn/aliases/champion.json").read_text())
        return str(found["version"])

    def record(self) -> dict[str, Any]:
        """The one there is; nothing before it was begun."""
        found = list((self.store / "releases/models/churn").glob("*.json"))
        return dict(json.loads(found[0].read_text())) if found else {}

    def differing(self) -> int:
        """Answers that differ, as the record has them."""
        noted = self.record().get("shadow", {"heard": {}})["heard"]
        return sum(int(one["differing"]) for one in noted.values())


@pytest.fixture
def shadowing(topics: Topics, tmp_path: Path) -> Iterator[Shadowing]:
    own = uuid.uuid4().hex
    topic, subscription = topics.names.topic(f"t-{own}"), topics.names.subscription(f"s-{own}")
    topics.publisher.create_topic(request={"name": topic})
    topics.subscriber.create_subscription(request={"name": subscription, "topic": topic})
    (tmp_path / "rows.jsonl").write_text(f"{json.dumps(STAYS)}\n" * 10)
    (tmp_path / "thresholds.yaml").write_text(yaml.safe_dump({"max_flip_ratio": 0.1, "max_size": 0.5}))
    made = Shadowing(tmp_path, topics, topic, subscription)
    with made.started:
        yield made


def versions(shadowing: Shadowing, models: Library, threshold: float) -> None:
    """The second says of whom it expects to leave with more than `threshold` that they do, the first with more than a half."""
    for share in (0.5, threshold):
        release(shadowing.store, "churn", models.path("churn"), LABEL | {"threshold": share}, runtime="compiled")
    shadowing.command("promote", "churn", "1")


def ask(shadow: Shadowed, customer: Mapping[str, Any], count: int = LEAST) -> None:
    """Until they are compared."""
    before = shadow.taken()
    for _ in range(count):
        assert shadow.served.post("/predict", customer).status_code == 200
    shadow.wait_until_taken(before + count)


def test_a_version_that_answers_like_the_one_in_use_is_promoted(shadowing: Shadowing, models: Library) -> None:
    """No answer differs, so that all that is known is from the summary of the minute."""
    versions(shadowing, models, 0.5)
    with shadowing.serving() as shadow:
        running = shadowing.start(seconds=30)
        shadowing.wait_until_it_listens()
        ask(shadow, STAYS)
        ask(shadow, LEAVES)
        record = shadowing.end(running, code=0)
    assert [step["step"] for step in record["steps"]] == ["check", "compare", "challenger", "shadow", "promote"]
    found = record["steps"][3]
    assert (found["with"], found["shadows"]) == ("1", 1)
    assert found["compared"] == found["rows"] >= 2 * LEAST
    assert (found["differing"], found["flipped"], found["errors"]) == (0, 0, {})
    assert found["said"].startswith(f"1 shadow compared {found['compared']} answers: 0 of {found['rows']} rows")
    assert (shadowing.alias(), record["outcome"], shadowing.record()) == ("2", "promoted", record)


def test_a_version_whose_labels_flip_for_callers_is_refused(shadowing: Shadowing, models: Library) -> None:
    versions(shadowing, models, 0.9999)
    with shadowing.serving() as shadow:
        running = shadowing.start(seconds=600)
        shadowing.wait_until_it_listens()
        ask(shadow, STAYS)
        ask(shadow, LEAVES, 5)
        refused = shadowing.end(running, code=1)
    assert refused["error_code"] == "BEYOND_THRESHOLDS"
    assert [(detail["limit"], detail["allowed"]) for detail in refused["details"]] == [("max_flip_ratio", 0.1)]
    assert "The shadows of version 2 of churn with version 1 exceed the thresholds." in refused["message"]
    record = shadowing.record()
    assert (shadowing.alias(), record["outcome"], record["why"]) == ("1", "refused", refused["message"])
    (heard,) = record["shadow"]["heard"].values()
    assert 0.1 < heard["flipped"] / heard["rows"] <= 0.2
    assert [step["step"] for step in record["steps"]] == ["check", "compare", "challenger"]


def test_a_version_that_nobody_shadows_is_refused(shadowing: Shadowing, models: Library) -> None:
    versions(shadowing, models, 0.5)
    with pytest.raises(NothingShadowed, match="is SHADOW_MODEL_URI of a running service set"):
        shadowing.ended()
    assert (shadowing.alias(), shadowing.record()["outcome"]) == ("1", "refused")


def test_a_release_that_was_killed_while_it_shadowed_goes_on(shadowing: Shadowing, models: Library) -> None:
    """The shadow it has heard ends meanwhile, so what it told is only in the record."""
    versions(shadowing, models, 0.9999)
    with shadowing.serving() as shadow:
        running = shadowing.start(seconds=600)
        shadowing.wait_until_it_listens()
        ask(shadow, STAYS)
        ask(shadow, LEAVES, 1)
        eventually(lambda: shadowing.differing() == 1, "it noted nothing")
        running.send_signal(signal.SIGKILL)
        finish(running, code=-9)
    stopped = shadowing.record()
    assert (stopped["outcome"], shadowing.alias()) == (None, "1")
    record = shadowing.ended()
    assert (record["id"], record["steps"][:3]) == (stopped["id"], stopped["steps"])
    assert record["shadow"]["began_at"] == stopped["shadow"]["began_at"]
    found = record["steps"][3]
    assert found["compared"] > LEAST
    assert (found["shadows"], found["flipped"], record["outcome"], shadowing.alias()) == (1, 1, "promoted", "2")


def test_a_subscription_that_is_not_there_ends_nothing_and_the_release_goes_on_only_with_shadowing(
    shadowing: Shadowing, models: Library
) -> None:
    versions(shadowing, models, 0.5)
    elsewhere = replace(shadowing, subscription=f"{shadowing.subscription}-other")
    refused = shadowing.end(elsewhere.start(seconds=600), code=1)
    assert refused["error_code"] == "SUBSCRIPTION_UNUSABLE"
    words = shadowing.words(1)
    refused = shadowing.command.json(*words[: words.index("--shadow")], code=2)
    assert "is shadowing: resume it with --shadow" in refused["message"]
    assert (shadowing.alias(), shadowing.record()["outcome"]) == ("1", None)


def test_a_first_version_has_nobody_to_be_beside(shadowing: Shadowing, models: Library) -> None:
    versions(shadowing, models, 0.5)
    record = shadowing.command.json(*shadowing.words(600), "--alias", "beta")
    assert (record["steps"][3]["step"], record["steps"][3]["with"], record["outcome"]) == ("shadow", None, "promoted")
