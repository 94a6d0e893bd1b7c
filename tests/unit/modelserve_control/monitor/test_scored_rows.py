"""Rows that `modelserve score` has written, where the prediction log would do."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modelserve.store.buckets.objects import Objects
from modelserve_control.common.errors import NothingCompared
from modelserve_control.common.progress import Lines
from modelserve_control.monitor.drift import DriftOptions, measure_drift
from modelserve_control.monitor.evaluate import EvaluateOptions, evaluate
from modelserve_control.monitor.stats.profile import FILE, build_profile, encode_profile
from modelserve_control.registry import promote
from modelserve_control.registry.catalog import open_store
from stores import put, tiny

ROWS = 400


@pytest.fixture
def objects(tmp_path: Path) -> Iterator[Objects]:
    """Version 1 of rides, the champion, has a profile of two columns and of its predictions."""
    random = np.random.default_rng(1)
    directory = tiny(tmp_path / "model")
    columns = {"miles": random.normal(0, 1, ROWS), "place": random.choice(["a", "b"], ROWS).tolist()}
    (directory / FILE).write_bytes(encode_profile(build_profile(columns, {"prediction": columns["miles"] * 10}, ROWS)))
    with open_store(str(tmp_path / "store"), new=True) as found:
        promote.promote(found, "rides", put(found, "rides", directory), "champion")
        yield found


def write_scored(tmp_path: Path, name: str = "minutes", shift: float = 0.0, version: str = "1", **kept: Any) -> str:
    """As `score` names and orders columns: what it keeps, the prediction, and its own."""
    minutes = np.random.default_rng(2).normal(shift, 10, ROWS)
    table = {"ride": np.arange(ROWS), **kept, name: minutes, "model": ["rides"] * ROWS, "version": [version] * ROWS}
    pq.write_table(pa.table({**table, "error": pa.nulls(ROWS, pa.string())}), tmp_path / "scored.parquet")
    return str(tmp_path / "scored.parquet")


@pytest.mark.parametrize("name", ["prediction", "minutes"])
@pytest.mark.parametrize(("shift", "drifted"), [(0.0, []), (10.0, ["prediction"])])
def test_predictions_of_a_version_are_compared_whatever_its_label(
    objects: Objects, tmp_path: Path, name: str, shift: float, drifted: list[str]
) -> None:
    said = io.StringIO()
    place = np.random.default_rng(3).choice(["a", "b"], ROWS).tolist()
    data = (write_scored(tmp_path, name, shift, place=place),)
    found = measure_drift(objects, DriftOptions("rides", data, str(tmp_path / "store")), Lines(said))
    (window,) = found["windows"]
    assert window["drifted"] == drifted
    assert (list(window["columns"]), list(window["predictions"])) == (["place"], ["prediction"])
    assert said.getvalue() == "not compared: miles; `modelserve score --keep COLUMN` carries columns over\n"


def test_predictions_of_another_version_are_not_compared(objects: Objects, tmp_path: Path) -> None:
    options = DriftOptions("rides", (write_scored(tmp_path, version="2"),), str(tmp_path / "store"))
    with pytest.raises(NothingCompared, match="scored by rides/2, and the profile is that of rides/1"):
        measure_drift(objects, options, Lines())


def test_labels_are_joined_by_a_column_of_the_scored_rows(objects: Objects, tmp_path: Path) -> None:
    scored = write_scored(tmp_path)
    minutes = pq.read_table(scored)["minutes"].to_numpy()
    labels = pa.table({"ride": [*map(float, range(100)), None], "took": [*(minutes[:100] + 2.0), 1.0]})
    pq.write_table(labels, tmp_path / "labels.parquet")
    options = EvaluateOptions("rides", (scored,), (str(tmp_path / "labels.parquet"),), "ride", "took")
    found = evaluate(objects, options, Lines())
    assert (found["joined"], found["unlabelled"]) == (100, ROWS - 100)
    (part,) = found["parts"]
    assert (part["window"], part["version"]) == ("all", "1")
    assert part["figures"] == pytest.approx({"rmse": 2.0, "mae": 2.0, "bias": -2.0})
