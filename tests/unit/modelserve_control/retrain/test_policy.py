"""A policy is read as it is meant, or refused with the key that is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import click
import pytest
import yaml

from modelserve.core.errors import BadSetting
from modelserve_control.compare.stats.target import GAINS, RATIOS
from modelserve_control.deploy.release.command import release
from modelserve_control.retrain.decide import Figure
from modelserve_control.retrain.policy import ReleaseSection, read_policy

ROOT = Path(__file__).parents[4]


@pytest.fixture
def base(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "thresholds.yaml").write_text("max_rmse_ratio: 1\n")
    release = {"data": "held_out.parquet", "target": "y", "thresholds": str(tmp_path / "thresholds.yaml")}
    error = {"target": "y", "figure": "rmse", "max_ratio": 1.1, "data": ["year.parquet"], "time": "at"}
    words = ["python", "train.py", "{data}", "{model}"]
    return {"train": words, "data": "rows.parquet", "release": release, "error": error}


def read(tmp_path: Path, document: Any) -> Any:
    (tmp_path / "policy.yaml").write_text(yaml.safe_dump(document))
    return read_policy(tmp_path / "policy.yaml")


def test_the_sections_are_the_rules(base: dict[str, Any], tmp_path: Path) -> None:
    policy = read(tmp_path, base | {"schedule": {"months": 1}, "drift": {"data": ["log"]}})
    assert (policy.schedule.months, policy.error.max_ratio, policy.error.window) == (1, 1.1, "day")
    assert (policy.drift.windows, policy.drift.data) == (3, ["log"])


@pytest.mark.parametrize("example", ["flights", "churn"])
def test_the_policies_of_the_examples_are_read(example: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    read_policy(Path(f"scripts/examples/retraining/{example}.yaml"))


def change(document: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """With another value at a path of keys; None takes the key away."""
    head, _, rest = path.partition(".")
    found = dict(document)
    found[head] = change(found.get(head, {}), rest, value) if rest else value
    return {key: one for key, one in found.items() if one is not None}


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("trian", ["a"], "has an unknown key trian; did you mean train?"),
        ("error.max_ration", 2, "has an unknown key error.max_ration; did you mean max_ratio?"),
        ("schedule.weeks", 2, "has an unknown key schedule.weeks; there are days, months."),
        ("train", "python train.py", "$.train"),
        ("train", ["python", "train.py"], "train needs the word {model}"),
        ("error", None, "it has no schedule, no error and no drift"),
        ("schedule", {"days": 0}, "schedule needs days or months, and one of them above 0"),
        ("schedule.days", -1, "$.schedule.days"),
        ("error.max_ratio", None, "error needs max or max_ratio"),
        ("error.max_ratio", 0.9, "$.error.max_ratio"),
        ("error.figure", "r2", "Invalid enum value 'r2'"),
        ("error.data", None, "error needs either log, labels and key, or data and time"),
        ("error.log", ["log"], "error needs either log, labels and key, or data and time"),
        ("error.time", None, "error with data needs time"),
        ("release.target", None, "name its column with release.target"),
        ("release.thresholds", "missing.yaml", "release.thresholds missing.yaml cannot be read"),
        ("release.shadow", 60, "release.shadow and release.shadow_subscription must be given together"),
        ("release.arrive", 0.5, "$.release.arrive"),
        ("release.watch", 86_401, "$.release.watch"),
        ("release.shadow_answers", 0, "$.release.shadow_answers"),
        ("release.max_error_ratio", float("nan"), "$.release.max_error_ratio"),
        ("publish.threshold", 0.5, "publish.threshold needs publish.positive_class"),
        ("schedule.days", 10**9, "$.schedule.days"),
        ("schedule.months", 10**6, "$.schedule.months"),
        ("error.windows", 0, "$.error.windows"),
        ("error.min_rows", 0, "$.error.min_rows"),
        ("error.max", float("nan"), "$.error.max"),
        ("publish.compile", "maybe", "$.publish.compile"),
        ("drift", {"windows": 2}, "`data`"),
    ],
)
def test_what_is_wrong_is_named(base: dict[str, Any], tmp_path: Path, path: str, value: Any, message: str) -> None:
    with pytest.raises(BadSetting) as refused:
        read(tmp_path, change(base, path, value))
    assert message in refused.value.message


def test_a_log_needs_labels_and_their_key(base: dict[str, Any], tmp_path: Path) -> None:
    error = {"target": "y", "figure": "auc", "max": 0.2, "log": ["log"], "labels": ["labels.csv"]}
    with pytest.raises(BadSetting, match="error with a log needs labels and key"):
        read(tmp_path, base | {"error": error})
    assert read(tmp_path, base | {"error": error | {"key": "id"}}).error.key == "id"


def test_a_figure_is_one_that_versions_are_compared_in() -> None:
    assert {*get_args(Figure)} == {*GAINS, *RATIOS}


def test_the_release_has_the_defaults_and_the_ranges_of_its_command(base: dict[str, Any], tmp_path: Path) -> None:
    section = vars(ReleaseSection(data="a.parquet", thresholds="b.yaml"))
    numbers = [one for one in release.params if isinstance(one.type, click.IntRange | click.FloatRange)]
    assert len(numbers) == 5
    for option in numbers:
        name, range_ = str(option.name), option.type
        assert isinstance(range_, click.IntRange | click.FloatRange)
        if isinstance(option.default, int | float):
            assert section[name] == option.default
        with_shadow = {"shadow": 60, "shadow_subscription": "projects/p/subscriptions/s"}
        for value in (range_.min, range_.max):
            if value is not None:
                found = base | {"release": base["release"] | with_shadow | {name: value}}
                assert getattr(read(tmp_path, found).release, name) == value
                beyond = value - 0.5 if value == range_.min else value + 0.5
                with pytest.raises(BadSetting, match=f"release.{name}"):
                    read(tmp_path, base | {"release": base["release"] | with_shadow | {name: beyond}})
