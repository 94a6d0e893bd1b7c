"""`modelserve retrain` on flights: it decides, trains with the example's command, compares, and releases or stops."""

from __future__ import annotations

import json
import signal
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pandas as pd
import pytest
import yaml

from command_line import CommandLine, finish
from examples.retraining.rows import flights
from faults.proxy import wait_for
from http_server import WAIT_SECONDS

ROOT = Path(__file__).parents[2]
SOURCES = f"{ROOT / 'scripts'}:{ROOT / 'functions'}"
ROWS = 2_000


@dataclass(frozen=True)
class Retraining:
    """A store, the rows, and policies that name them."""

    directory: Path

    @property
    def command(self) -> CommandLine:
        return CommandLine(str(self.directory / "store"), {"PYTHONPATH": SOURCES})

    def policy(self, rows: str, **sections: Any) -> Path:
        """Trains on `rows`, when the error of today is above 1 minute, which it is."""
        data = [str(self.directory / "today.parquet")]
        document = {
            "train": [sys.executable, "-m", "examples.retraining.train", "flights", "{data}", "{model}"],
            "data": str(self.directory / f"{rows}.parquet"),
            "error": {"figure": "rmse", "max": 1.0, "target": "air_time", "data": data, "time": "departed"},
            "release": {
                "data": str(self.directory / "held_out.parquet"),
                "target": "air_time",
                "thresholds": str(self.directory / "thresholds.yaml"),
            },
        }
        path = self.directory / "policy.yaml"
        path.write_text(yaml.safe_dump(document | sections))
        return path

    def __call__(self, policy: Path, *words: object, code: int = 0) -> Any:
        return self.command.json("retrain", "flights", "--policy", policy, *words, code=code)

    def champion(self) -> str:
        path = self.directory / "store/models/flights/aliases/champion.json"
        return str(json.loads(path.read_text())["version"])

    def versions(self) -> list[str]:
        return sorted(path.parent.name for path in self.directory.glob("store/models/flights/versions/*/manifest.json"))

    def records(self) -> list[dict[str, Any]]:
        """Those that have ended, the oldest first."""
        found = (self.directory / "store/releases/models/flights").glob("*-retrain-*.json")
        return [json.loads(path.read_text()) for path in sorted(found, key=lambda path: path.stat().st_mtime_ns)]

    def current(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.directory / "store/releases/models/flights/retrain.json").read_text())
        return found


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Retraining:
    """Version 1, a poor one, is the first that was trained and released."""
    directory = tmp_path_factory.mktemp("retrain")
    table = flights().sample(3 * ROWS, random_state=1)
    good, held_out, today = (table.iloc[start : start + ROWS] for start in range(0, 3 * ROWS, ROWS))
    good.to_parquet(directory / "good.parquet")
    good.assign(air_time=good["air_time"].sample(frac=1, random_state=1).to_numpy()).to_parquet(
        directory / "poor.parquet"
    )
    held_out.to_parquet(directory / "held_out.parquet")
    today.assign(departed=pd.Timestamp(datetime.now(UTC)).tz_localize(None)).to_parquet(directory / "today.parquet")
    (directory / "thresholds.yaml").write_text("max_rmse_ratio: 1.0\n")
    (directory / "store").mkdir()
    made = Retraining(directory)
    result = made(made.policy("poor"))
    assert (result["version"], [reason["rule"] for reason in result["reasons"]]) == ("1", ["first"])
    return made


def test_a_dry_run_only_decides(trained: Retraining) -> None:
    result = trained(trained.policy("good", schedule={"days": 7}), "--dry-run")
    assert (result["retrain"], result["version"]) == (True, None)
    assert [(reason["rule"], reason["met"]) for reason in result["reasons"]] == [("schedule", False), ("error", True)]
    said = trained.command("retrain", "flights", "--policy", trained.policy("good"), "--dry-run").out
    assert "Train flights again: yes\n  + error: rmse " in said
    held_out = str(trained.directory / "held_out.parquet")  # of 2013, before the training
    error = {"data": [held_out], "time": "departed", "figure": "rmse", "max": 1.0, "target": "air_time"}
    drift = {"data": [held_out], "time": "departed"}
    reasons = trained(trained.policy("good", error=error, drift=drift), "--dry-run")["reasons"]
    old = f"The rows end before the training of {datetime.now(UTC):%Y-%m-%d}, so they say nothing of this version"
    assert [(reason["met"], reason["text"]) for reason in reasons] == [(False, old), (False, old)]
    assert (trained.champion(), trained.versions(), len(trained.records())) == ("1", ["1"], 1)


def test_a_better_version_is_released_and_a_worse_one_is_not(trained: Retraining) -> None:
    result = trained(trained.policy("good"))
    assert (result["version"], trained.champion()) == ("2", "2")
    record = trained.records()[-1]
    assert result["record"] == f"releases/models/flights/{record['id']}.json"
    assert [step["step"] for step in record["steps"]] == ["train", "publish", "release"]
    assert (record["version"], record["outcome"]) == ("2", "released")
    release = json.loads(
        (trained.directory / f"store/releases/models/flights/{record['steps'][-1]['id']}.json").read_text()
    )
    (compared,) = [step for step in release["steps"] if step["step"] == "compare"]
    figures = {side: compared["target"][side]["figures"]["rmse"] for side in ("a", "b")}
    assert figures["b"] < figures["a"] / 2
    assert release["reason"] == f"retraining {record['id']}"

    # What the comparison has measured is what later errors are held to.
    relative = {"figure": "rmse", "max_ratio": 1.5, "target": "air_time", "time": "departed"}
    data = [str(trained.directory / "today.parquet")]
    (reason,) = trained(trained.policy("good", error=relative | {"data": data}), "--dry-run")["reasons"]
    assert not reason["met"]
    assert f"{figures['b']:.4g} at first (release)" in reason["text"]

    refused = trained(trained.policy("poor"), code=1)
    assert refused["error_code"] == "BEYOND_THRESHOLDS"
    assert (trained.champion(), trained.versions()) == ("2", ["1", "2", "3"])
    record = trained.records()[-1]
    assert (record["outcome"], record["error_code"]) == ("stopped", "BEYOND_THRESHOLDS")
    assert [step["step"] for step in record["steps"]] == ["train", "publish"]


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo no rows today; exit 7", "ended with status 7. Its last lines:\nno rows today"),
        ("echo done", "saved no MLflow model in {model}. Its last lines:\ndone"),
    ],
)
def test_a_command_that_fails_publishes_nothing(trained: Retraining, script: str, message: str) -> None:
    before = trained.champion(), trained.versions()
    refused = trained(trained.policy("good", train=["sh", "-c", script, "{model}"]), code=1)
    assert refused["error_code"] == "TRAINING_FAILED"
    assert message in refused["message"]
    assert (trained.champion(), trained.versions()) == before
    assert trained.records()[-1]["why"] == refused["message"]


@pytest.mark.parametrize("stopped_by", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_one_that_is_stopped_leaves_nothing_half_and_one_that_runs_keeps_others_out(
    trained: Retraining, tmp_path: Path, stopped_by: signal.Signals
) -> None:
    before = trained.champion(), trained.versions()
    begun = tmp_path / "begun"
    policy = trained.policy("good", train=["sh", "-c", f"echo $$ >{begun}; sleep 600", "{model}"])
    with trained.command.started("retrain", "flights", "--policy", policy) as running:
        wait_for(lambda: begun.exists() and begun.read_text().endswith("\n"), WAIT_SECONDS)
        assert trained(policy, code=1)["error_code"] == "RETRAINING_UNDER_WAY"
        running.send_signal(stopped_by)
        finish(running, code=-9 if stopped_by == signal.SIGKILL else 130)
    wait_for(lambda: not Path("/proc", begun.read_text().strip()).exists(), WAIT_SECONDS)
    assert (trained.champion(), trained.versions()) == before
    if stopped_by == signal.SIGKILL:
        assert trained.current()["outcome"] is None
        assert trained(policy, "--abort")["outcome"] == "aborted"
        assert trained(policy, "--abort", code=1)["error_code"] == "NOT_FOUND"
    else:
        assert trained.records()[-1]["outcome"] == "interrupted"
    assert trained(trained.policy("good"), "--dry-run")["retrain"]


def test_a_year_is_replayed_under_each_policy(trained: Retraining, tmp_path: Path) -> None:
    # January as it was, and again as February; in March and April all flights take 40 minutes longer.
    january = flights().query("departed < '2013-01-29'").sample(ROWS, random_state=1)
    later = [january.assign(departed=january["departed"] + pd.DateOffset(months=months)) for months in (1, 2, 3)]
    slow = [table.assign(air_time=table["air_time"] + 40.0) for table in later[1:]]
    pd.concat([january, later[0], *slow]).to_parquet(tmp_path / "year.parquet")
    error = {"figure": "rmse", "max_ratio": 1.5, "target": "air_time", "time": "departed", "window": "month"}
    sections = {"error": error | {"data": [str(tmp_path / "year.parquet")]}, "schedule": {"months": 1}}
    words = ("--simulate", "--newest", 1, "--svg", tmp_path / "a.svg", "--markdown", tmp_path / "a.md")
    found = trained(trained.policy("good", **sections), *words)
    trainings = {name: [one["after"] for one in policy["trainings"]] for name, policy in found["policies"].items()}
    assert trainings == {
        "never": [],
        "A: schedule": ["2013-02", "2013-03"],
        "B: error and drift": ["2013-03"],
    }
    never, schedule, quality = (policy["windows"][-1]["error"] for policy in found["policies"].values())
    assert never > 2 * quality
    assert schedule == quality
    plot = ElementTree.fromstring((tmp_path / "a.svg").read_text())
    assert len(plot.findall("{*}circle")) == 3
    assert len(plot.findall("{*}polyline")) == 3
    assert "| 2013\\-04 |" in (tmp_path / "a.md").read_text()
