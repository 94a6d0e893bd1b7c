from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modelserve.core.errors import BadSetting
from modelserve_control.common.output import detail_lines, format_breach
from modelserve_control.compare.sides.wire import ScoredChunk
from modelserve_control.compare.stats.target import Target
from modelserve_control.compare.stats.thresholds import Thresholds, check_target, read


def measure(path: Path, truth: list[Any], a: list[Any], b: list[Any], classifies: bool = False) -> Any:
    """In chunks of two rows. A text that starts with `refused` is no answer."""
    pq.write_table(pa.table({"truth": truth}), path)
    target = Target(path, "truth", 2)
    for start in range(0, len(truth), 2):
        target.add([ScoredChunk([outcome(one) for one in side[start : start + 2]]) for side in (a, b)])
    return target.result(classifies, None)


def outcome(value: Any) -> Any:
    return value if isinstance(value, dict) or str(value).startswith("refused") else {"minutes": value}


def share(value: float) -> Any:
    return {"prediction": "yes" if value >= 0.5 else "no", "probabilities": {"no": 1 - value, "yes": value}}


def test_a_smaller_error_passes_and_a_larger_one_does_not(tmp_path: Path) -> None:
    found = measure(tmp_path / "t.parquet", [1.0, 2.0, 3.0, None], [2.0, 3.0, 4.0, 0.0], [1.5, 2.5, "refused: x", 0.0])
    assert (found["a"]["rows"], found["a"]["figures"]["rmse"], found["b"]["figures"]["rmse"]) == (2, 1.0, 0.5)
    assert found["ratio"] == {"rmse": 0.5, "mae": 0.5}
    assert list(check_target(Thresholds(max_rmse_ratio=0.5, max_rmse=0.5), found)) == []
    breaches = list(check_target(Thresholds(max_rmse_ratio=0.4, max_rmse=0.4), found))
    assert [format_breach(one) for one in breaches] == [
        "target, max_rmse_ratio: B's RMSE is 50 % less: 0.5 beside 1, allowed 0.4",
        "target, max_rmse: 0.5, allowed 0.4",
    ]
    assert detail_lines(breaches) == list(map(format_breach, breaches))  # as `release` prints them


def test_a_gain_is_measured_for_classes(tmp_path: Path) -> None:
    sides = [[share(one) for one in side] for side in ((0.9, 0.8, 0.7, 0.1), (0.9, 0.4, 0.7, 0.1))]
    found = measure(tmp_path / "t.parquet", ["yes", "no", "yes", "no"], sides[0], sides[1], classifies=True)
    assert found["gain"]["auc"] == pytest.approx(0.25)
    assert list(check_target(Thresholds(min_auc_gain=0.25), found)) == []
    (breach,) = check_target(Thresholds(min_auc_gain=0.3), found)
    assert breach["found"] == pytest.approx(0.25)
    assert format_breach(breach) == "target, min_auc_gain: B's AUC is 0.25 greater: 1 beside 0.75, allowed 0.3"


def test_what_was_not_measured_is_beyond_its_limit(tmp_path: Path) -> None:
    found = measure(tmp_path / "t.parquet", ["yes", "no"], [share(0.9), share(0.1)], [share(0.9), share(0.1)], True)
    limits = Thresholds(max_rmse=1.0, max_rmse_ratio=1.0)
    assert [one["limit"] for one in check_target(limits, found)] == ["max_rmse_ratio", "max_rmse"]
    assert [one["limit"] for one in check_target(Thresholds(min_auc_gain=-1.0), None)] == ["min_auc_gain"]


def test_limits_of_the_truth_need_its_column(tmp_path: Path) -> None:
    path = tmp_path / "limits.yaml"
    path.write_text("min_auc_gain: 0\n")
    with pytest.raises(BadSetting, match="--target"):
        read(path, None)
    assert read(path, None, "churn") == Thresholds(min_auc_gain=0)
    pq.write_table(pa.table({"x": [1]}), tmp_path / "rows.parquet")
    with pytest.raises(BadSetting, match="--target names a column"):
        Target(tmp_path / "rows.parquet", "churn", 10)
