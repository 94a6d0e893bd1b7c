"""`modelserve release` with a really running function: a good version stays, any other is taken back."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from command_line import CommandLine, finish
from faults.proxy import wait_for
from http_server import WAIT_SECONDS
from models.library import Library
from modelserve_control.registry import catalog
from serving import Served, release, serving


@dataclass(frozen=True)
class Releases:
    """A store whose model `m` has three versions, which answer 1, 2 and 3 to everything; champion names the first."""

    directory: Path
    cold: bool = False

    @property
    def store(self) -> Path:
        return self.directory / "store"

    @property
    def command(self) -> CommandLine:
        return CommandLine(str(self.store), cold=self.cold)

    @property
    def rows(self) -> Path:
        return self.directory / "rows.parquet"

    @property
    def words(self) -> list[str]:
        limits = str(self.directory / "thresholds.yaml")
        return ["--data", str(self.rows), "--thresholds", limits, "--arrive", "300", "--watch", "1"]

    def __call__(self, version: str, *more: object, code: int = 0) -> Any:
        return self.command.json("release", "m", version, *self.words, *more, code=code)

    def alias(self, name: str = "champion") -> Mapping[str, Any]:
        found: Mapping[str, Any] = json.loads((self.store / "models/m/aliases" / f"{name}.json").read_text())
        return found

    def records(self) -> list[dict[str, Any]]:
        found = sorted((self.store / "releases/models/m").glob("*.json"))
        return [json.loads(path.read_text()) for path in found]

    @contextmanager
    def serving(self, uri: str = "@champion") -> Iterator[Served]:
        settings = {"MODEL_URI": f"{self.store}/models/m{uri}", "MODEL_REFRESH_SECONDS": "0.2"}
        with serving(self.directory / "function.log", settings) as served:
            yield served


@pytest.fixture
def releases(tmp_path: Path, models: Library) -> Releases:
    made = Releases(tmp_path)
    for value in (1.0, 2.0, 3.0):
        release(made.store, "m", models.constant(value), runtime="compiled")
    made.command("promote", "m", "1")
    pq.write_table(pa.table({"x": pa.array([1.0, 2.0, 3.0]).dictionary_encode()}), made.rows)  # Categorical, in pandas
    (tmp_path / "thresholds.yaml").write_text(yaml.safe_dump({"max_size": 1.0, "schema": "same"}))
    return made


def test_a_good_version_is_checked_compared_promoted_and_watched(releases: Releases) -> None:
    releases = replace(releases, cold=True)
    with releases.serving() as served:
        assert served.post("/predict", {"x": 0}).json() == {"prediction": 1.0}
        record = releases("2", "--url", served.url, "--reason", "sooner")
        assert served.post("/predict", {"x": 0}).json() == {"prediction": 2.0}
    assert [step["step"] for step in record["steps"]] == ["check", "compare", "challenger", "promote", "watch"]
    assert (record["outcome"], record["before"]["version"]) == ("promoted", "1")
    watched = record["steps"][-1]
    assert (watched["failed"], watched["other"], watched["reason"]) == (0, 0, None)
    assert watched["probes"] > 0
    assert releases.records() == [record]
    assert releases.alias()["reason"] == f"release {record['id']}: sooner"
    assert releases.alias("challenger")["version"] == releases.alias()["version"] == "2"


def test_a_version_beyond_the_thresholds_is_not_promoted(releases: Releases) -> None:
    refused = releases("3", code=1)
    assert refused["error_code"] == "BEYOND_THRESHOLDS"
    assert [(detail["limit"], detail["found"]) for detail in refused["details"]] == [("max_size", 2.0)]
    assert releases.alias()["version"] == "1"
    assert not (releases.store / "models/m/aliases/challenger.json").exists()
    (record,) = releases.records()
    assert (record["outcome"], [step["step"] for step in record["steps"]]) == ("refused", ["check"])


def test_rows_that_do_not_fit_both_versions_are_named_with_what_to_do(releases: Releases) -> None:
    pq.write_table(pa.table({"x": ["far"]}), releases.rows)
    refused = releases("2", code=1)
    assert refused["error_code"] == "NOTHING_COMPARED"
    assert "A is version 1, which champion names, and B is 2: give rows with the columns of both" in refused["message"]


def test_a_version_that_a_service_does_not_take_up_is_rolled_back(releases: Releases) -> None:
    with releases.serving("/versions/1") as served:
        refused = releases("2", "--url", served.url, "--arrive", "2", code=1)
    assert refused["error_code"] == "ROLLED_BACK"
    assert "version 2 did not arrive within 2 s: it answers with version 1" in refused["message"]
    assert (releases.alias()["version"], releases.alias()["previous_version"]) == ("1", "3")
    (record,) = releases.records()
    assert (record["outcome"], record["steps"][-1]["step"]) == ("rolled back", "regressed")


def test_a_watch_that_fails_is_not_said_to_be_done(releases: Releases) -> None:
    nobody = "http://127.0.0.1:9"
    words = [*releases.words, "--arrive", "1", "--url", nobody]
    said = releases.command("release", "m", "2", *words, code=1).err.splitlines()
    (watch,) = [line for line in said if line.startswith(f"Watch {nobody} ")]
    assert " failed, " in watch


def test_a_version_that_the_functions_would_refuse_is_refused_first(releases: Releases, models: Library) -> None:
    directory = models.copy("linear10", releases.directory / "old")
    (directory / "requirements.txt").write_text("scikit-learn==0.1.2\n")
    version = release(releases.store, "m", directory, alias="candidate")
    assert releases(version, code=1)["error_code"] == "ENVIRONMENT_MISMATCH"
    assert releases.alias()["version"] == "1"
    assert releases.records()[0]["outcome"] == "refused"


@pytest.mark.parametrize("stopped_by", [signal.SIGKILL, signal.SIGTERM])
def test_a_release_that_was_stopped_while_it_watched_goes_on(releases: Releases, stopped_by: signal.Signals) -> None:
    with releases.serving() as served:
        words = ("release", "m", "2", *releases.words, "--url", served.url, "--watch", 600)
        with releases.command.started(*words) as running:
            wait_for(lambda: releases.alias()["version"] == "2", WAIT_SECONDS)
            wait_for(lambda: releases.records()[0]["steps"][-1]["step"] == "promote", WAIT_SECONDS)
            running.send_signal(stopped_by)
            finish(running, code=-9 if stopped_by == signal.SIGKILL else 130)
        (stopped,) = releases.records()
        assert stopped["outcome"] is None
        record = releases("2", "--url", served.url)
    assert record["id"] == stopped["id"]
    assert record["steps"][:4] == stopped["steps"]
    assert record["outcome"] == "promoted"
    assert releases.records() == [record]


def test_who_moved_the_alias_meanwhile_is_named(releases: Releases) -> None:
    """The process is stopped before it has promoted: nothing of the comparison holds for what the alias says now."""
    record = interrupted(releases)
    releases.command("promote", "m", "3", "--reason", "in a hurry")
    refused = releases("2", code=1)
    assert refused["error_code"] == "PRECONDITION_FAILED"
    assert "was moved to version 3 by " in refused["message"]
    assert (releases.alias()["version"], releases.alias()["reason"]) == ("3", "in a hurry")
    (ended,) = releases.records()
    assert (ended["id"], ended["outcome"]) == (record["id"], "refused")


def test_what_was_promoted_before_it_could_be_noted_is_not_promoted_twice(releases: Releases) -> None:
    record = interrupted(releases)
    releases.command("promote", "m", "2", "--reason", f"release {record['id']}")
    moved = releases.alias()
    assert releases("2")["id"] == record["id"]
    assert releases.alias() == moved


def interrupted(releases: Releases) -> dict[str, Any]:
    """A record as a process leaves it that is killed before it promotes."""
    releases("2", "--alias", "beta")
    (made,) = (releases.store / "releases/models/m").glob("*.json")
    record: dict[str, Any] = json.loads(made.read_text())
    with catalog.open_store(str(releases.store)) as objects:
        _, generation = catalog.alias(objects, "m", "champion")
    record |= {"alias": "champion", "before": {"version": "1", "generation": generation}, "outcome": None}
    record["steps"] = [step for step in record["steps"] if step["step"] != "promote"]
    write_record(releases, record)
    return record


def write_record(releases: Releases, record: Mapping[str, Any]) -> None:
    path = releases.store / "releases/models/m" / f"{record['id']}.json"
    path.write_text(json.dumps(record))


def test_a_regression_that_was_noted_is_rolled_back_by_the_next_process(releases: Releases) -> None:
    record = interrupted(releases)
    releases.command("promote", "m", "2", "--reason", f"release {record['id']}")
    steps = [{"step": "promote"}, {"step": "regressed", "url": "http://f", "reason": "5 of 9 answers failed"}]
    write_record(releases, record | {"steps": [*record["steps"], *steps]})
    refused = releases("2", "--url", "http://127.0.0.1:9", code=1)
    assert refused["error_code"] == "ROLLED_BACK"
    assert refused["message"] == (
        "http://f: 5 of 9 answers failed. champion of m names version 1 again; "
        "challenger still names version 2, so that you can inspect it."
    )
    assert (releases.alias()["version"], releases.records()[0]["outcome"]) == ("1", "rolled back")
    write_record(releases, releases.records()[0] | {"outcome": None})  # stopped between the write and its note
    before = releases.alias()
    releases("2", code=1)
    assert (releases.alias(), releases.records()[0]["outcome"]) == (before, "rolled back")


def test_a_watch_that_cannot_begin_leaves_the_release_open(releases: Releases) -> None:
    """The version is in use, so it is not said to be refused, and nothing is done again when the watch can begin."""
    with releases.serving() as served:
        refused = releases("2", "--url", served.url, "--token-command", "false", code=1)
        assert refused["error_code"] == "NO_IDENTITY"
        (open_,) = releases.records()
        assert (releases.alias()["version"], open_["outcome"]) == ("2", None)
        record = releases("2", "--url", served.url)
    assert (record["id"], record["outcome"]) == (open_["id"], "promoted")


SHADOW = ("--shadow", "1", "--shadow-subscription", "projects/p/subscriptions/s")


@pytest.mark.parametrize("words", [SHADOW, ()])
def test_what_is_promoted_is_not_shadowed_any_more(releases: Releases, words: tuple[str, ...]) -> None:
    """A release that was stopped while it watched goes on with that, whatever the command says about a shadow."""
    record = interrupted(releases)
    releases.command("promote", "m", "2", "--reason", f"release {record['id']}")
    steps = [*record["steps"], {"step": "promote"}]
    if words == ():
        steps[3:3] = [{"step": "shadow"}]
        record["shadow"] = {"began_at": "2026-01-01T00:00:00Z", "heard": {}}
    write_record(releases, record | {"steps": steps})
    ended = releases("2", *words)
    assert (ended["id"], ended["steps"], ended["outcome"]) == (record["id"], steps, "promoted")


def test_a_regression_behind_which_somebody_moved_the_alias_is_left_alone(releases: Releases) -> None:
    record = interrupted(releases)
    releases.command("promote", "m", "2", "--reason", f"release {record['id']}")
    steps = [{"step": "promote"}, {"step": "regressed", "url": "http://f", "reason": "5 of 9 answers failed"}]
    write_record(releases, record | {"steps": [*record["steps"], *steps]})
    releases.command("promote", "m", "3", "--reason", "in a hurry")
    refused = releases("2", code=1)
    assert "It is not rolled back: " in refused["message"]
    assert releases.alias()["version"] == "3"
    assert releases.records()[0]["outcome"] == "regressed"


def test_what_is_there_already_is_not_released(releases: Releases) -> None:
    assert "already names version 1" in releases("1", code=1)["message"]
    assert releases.records() == []


def test_misuse_exits_with_2(releases: Releases) -> None:
    assert "uses the alias challenger itself" in releases("2", "--alias", "challenger", code=2)["message"]
    assert releases.command("release", "m", "2", code=2).err.startswith("Usage:")
