"""`modelserve compare` finds what was planted, where it was planted, and nothing else."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from command_line import CommandLine
from contract.compare.planting import Planted
from models.library import Library
from serving import release

FLIPPED = (17, 999, 1000, 2_498)  # the second and third on both sides of a chunk's end
CHUNKS = ("--batch-rows", 1_000)


@pytest.fixture
def flipping(planted: Planted) -> Planted:
    """Compiled, which starts sooner."""
    planted.compiled([], 2_500)
    planted.compiled(FLIPPED, 2_500)
    return planted


@pytest.mark.parametrize("runtime", ["native", "compiled"])
def test_flips_are_found_exactly_where_they_were_planted(planted: Planted, runtime: str) -> None:
    for flipped in ((), FLIPPED):
        if runtime == "compiled":
            planted.compiled(flipped, 2_500)
        else:
            planted.version("no", {float(row): "yes" for row in flipped}, kind="string")
    rows = planted.rows(2_500)
    found = planted.compare("1", "champion", "--data", rows, "--by", "place", "--method", "predict", *CHUNKS)
    assert (found["a"]["runtime"], found["b"]["runtime"]) == (runtime, runtime)
    assert (found["a"]["version"], found["b"]["version"]) == ("1", "2")
    assert (found["rows"], found["compared"], found["numbers"]) == (2_500, 2_500, {})
    labels = found["labels"]["prediction"]
    assert labels["rows"] == list(FLIPPED)
    assert labels["flips"] == 4
    assert labels["transitions"] == [{"a": "no", "b": "yes", "rows": 4}]
    assert {part["value"]: part["labels"]["prediction"]["flips"] for part in found["segments"]} == {
        "north": 1,  # 999
        "south": 1,  # 1000
        "east": 2,  # 17 and 2,498
    }
    assert {part["value"]: part["rows"] for part in found["segments"]} == {"north": 834, "south": 833, "east": 833}
    assert found["latency"]["a"]["rows"] > 0
    assert found["within"] is None


def test_the_same_rows_give_the_same_from_every_form_of_file(flipping: Planted, tmp_path: Path) -> None:
    parquet = flipping.rows(2_500)
    table = pq.read_table(parquet)
    pa_csv.write_csv(table, tmp_path / "rows.csv")
    lines = "\n".join(json.dumps(row) for row in table.to_pylist())
    (tmp_path / "rows.jsonl").write_text(lines)
    for path in (tmp_path / "rows.csv", tmp_path / "rows.jsonl"):
        found = flipping.compare("1", "2", "--data", path, "--by", "place", *CHUNKS)
        assert found["labels"]["prediction"]["rows"] == list(FLIPPED)
        assert [(part["value"], part["rows"]) for part in found["segments"]] == [
            ("east", 833),
            ("north", 834),
            ("south", 833),
        ]


def test_thresholds_decide_the_exit_status(flipping: Planted, tmp_path: Path) -> None:
    rows = flipping.rows(2_500)
    kept = flipping.thresholds(max_flip_ratio=4 / 2_500, schema="same", min_rows=2_500)
    assert flipping.compare("1", "2", "--data", rows, "--thresholds", kept)["within"] is True
    report = tmp_path / "report.md"
    passed = flipping.thresholds(max_flip_ratio=3 / 2_500, segments={"max_flip_ratio": 0.002})
    words = ("1", "2", "--data", rows, "--by", "place", "--thresholds", passed, "--markdown", report)
    found = flipping.compare(*words, code=1)
    assert found["within"] is False
    assert [(breach["segment"], breach["output"], breach["found"]) for breach in found["breaches"]] == [
        (None, "prediction", 4 / 2_500),
        ("east", "prediction", 2 / 833),
    ]
    assert "B exceeds the thresholds." in report.read_text()
    said = flipping.command("compare", "planted", *words[:-2], code=1)
    assert "prediction, max_flip_ratio: 0.0016, allowed 0.0012" in said.out


def test_numbers_are_compared_with_nothing_and_with_infinity(planted: Planted) -> None:
    planted.version(None, {5.0: math.inf, 6.0: math.inf, 7.0: None, 8.0: math.nan, 9.0: 9.0})
    planted.version(None, {2.0: 2.5, 3.0: 2.0, 5.0: math.inf, 6.0: -math.inf, 7.0: math.nan, 9.0: None})
    rows = planted.rows(1_000)
    found = planted.compare("1", "2", "--data", rows)["numbers"]["prediction"]
    assert (found["compared"], found["equal"]) == (1_000, 1_000 - 5)  # infinities and nothings are equal too
    assert (found["only_a"], found["only_b"], found["infinite"]) == (1, 1, 1)
    assert found["mean"] == pytest.approx((0.5 - 1.0) / 996)
    assert found["mean_size"] == pytest.approx(1.5 / 996)
    assert found["greatest"]["row"] == 6
    assert found["greatest"]["size"] is None  # infinite: JSON has no word for it
    assert found["size_quantiles"]["0.99"] == 0
    limits = planted.thresholds(max_size=1e9)
    assert planted.compare("1", "2", "--data", rows, "--thresholds", limits, code=1)["within"] is False


def test_each_of_several_outputs_is_compared_by_itself(planted: Planted) -> None:
    planted.version([1.0, 2.0, 3.0], {})
    planted.version([1.0, 2.0, 3.0], {4.0: [1.0, 2.0, 7.0]})
    planted.version({"low": 1, "kind": "a"}, {})
    planted.version({"low": 1, "kind": "a"}, {8.0: {"low": 3, "kind": "b"}})
    planted.version([0.0] * 40, {})
    planted.version([0.0] * 40, {9.0: [0.0] * 39 + [-5.0]})
    rows = planted.rows(20)
    lists = planted.compare("1", "2", "--data", rows)["numbers"]
    assert {name: one["equal"] for name, one in lists.items()} == {f"prediction[{place}]": 20 - (place == 2) for place in range(3)}  # fmt: skip
    assert lists["prediction[2]"]["greatest"] == {"size": 4.0, "row": 4, "a": 3.0, "b": 7.0}
    fields = planted.compare("3", "4", "--data", rows)
    assert fields["numbers"]["prediction.low"]["greatest"]["row"] == 8
    assert fields["labels"]["prediction.kind"]["rows"] == [8]
    long = planted.compare("5", "6", "--data", rows)["numbers"]
    assert long["prediction[0..39]"]["greatest"] == {"size": 5.0, "row": 9, "a": 0.0, "b": -5.0}


def test_the_numbers_of_classes_are_labels_in_either_runtime(models: Library, tmp_path: Path) -> None:
    """The compiled form of a model against the model itself, as directories of two stores."""
    for runtime in ("native", "compiled"):
        release(tmp_path / runtime, "integer_labels", models.path("integer_labels"), runtime=runtime)
    rows = [{"length": row / 10, "width": row / 25} for row in range(70)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    a, b = (f"{tmp_path}/{runtime}/models/integer_labels/versions/1" for runtime in ("native", "compiled"))
    found = CommandLine("/nowhere").json("compare", a, b, "--data", tmp_path / "rows.parquet")
    assert (found["a"]["runtime"], found["b"]["runtime"]) == ("native", "compiled")
    assert found["labels"]["prediction"]["flips"] == 0
    assert list(found["numbers"]) == ["probabilities.10", "probabilities.20", "probabilities.30"]
    assert max(one["greatest"]["size"] for one in found["numbers"].values()) < 1e-9
    assert found["schema"] == [{"what": "runtime", "a": "native", "b": "compiled", "breaking": False}]


def test_a_row_that_one_side_refuses_is_counted_and_named(planted: Planted) -> None:
    planted.version(None, {}, optional=True)
    planted.version(None, {})
    values = [float(row) for row in range(900)]
    rows = planted.rows(900, x=[None if row in (0, 31, 500) else row for row in values])
    limits = planted.thresholds(max_refused_ratio=2 / 900, schema="compatible")
    found = planted.compare("1", "2", "--data", rows, "--thresholds", limits, "--batch-rows", 400, code=1)
    assert (found["compared"], found["refused"]) == (897, {"only_a": 0, "only_b": 3, "both": 0})
    reason = "x: null in a required column"
    assert found["b"]["reasons"] == [{"reason": reason, "rows": 3}]
    assert found["b"]["named"] == [{"row": row, "reason": reason} for row in (0, 31, 500)]
    assert found["a"]["named"] == []
    assert found["schema"] == [{"what": "column x", "a": "double, may be null", "b": "double", "breaking": True}]
    assert {breach["limit"] for breach in found["breaches"]} == {"max_refused_ratio", "schema"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["1", "7"], "B: "),
        (["1", "nobody"], "B: "),
        (["1", "2", "--by", "colour"], "--by names a column"),
        (["1", "2", "--thresholds", "{}/unknown.yaml"], "max_flops"),
        (["1", "2", "--thresholds", "{}/segments.yaml"], "with --by"),
        (["1", "2", "--markdown", "{}/there.md"], "there.md exists"),
        (["1", "2", "--method", "predict_proba"], "no such predict_method"),
    ],
)
def test_what_cannot_be_compared_has_an_exit_status_of_its_own(
    planted: Planted, tmp_path: Path, words: list[str], message: str
) -> None:
    planted.version("no", {}, kind="string")
    planted.version("no", {}, kind="string")
    (tmp_path / "unknown.yaml").write_text("max_flops: 1\n")
    (tmp_path / "segments.yaml").write_text("segments: {max_flip_ratio: 0.1}\n")
    (tmp_path / "there.md").write_text("kept")
    given = [word.format(tmp_path) for word in words]
    refused = planted.compare(*given, "--data", planted.rows(10), "--html", tmp_path / "new.html", code=2)
    assert message in refused["message"]
    assert not (tmp_path / "new.html").exists()
    assert (tmp_path / "there.md").read_text() == "kept"


def test_no_row_in_common_is_no_agreement(planted: Planted) -> None:
    planted.version(None, {}, optional=True)
    planted.version(None, {})
    rows = planted.rows(3, x=[None, None, None])
    refused = planted.compare("1", "2", "--data", rows, code=2)
    assert refused["error_code"] == "NOTHING_COMPARED"
    assert "B refuses with: x: null in a required column" in refused["message"]
