"""Limits are what they say they are, and a file that says something else is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from modelserve.core.errors import BadSetting
from modelserve_control.common.output import format_breach
from modelserve_control.compare.stats.thresholds import (
    NUMBER_LIMITS,
    OutputLimits,
    RowLimits,
    Thresholds,
    find_breaches,
    read,
)
from unit.modelserve_control.compare.documents import document

DOCS = Path(__file__).parents[5] / "docs" / "compare.md"


def beyond(document: dict[str, Any], **limits: Any) -> list[tuple[str | None, str | None, str]]:
    found = find_breaches(msgspec.convert(limits, Thresholds), document)
    return [(breach["segment"], breach["output"], breach["limit"]) for breach in found]


FLIPS = document(["x"] * 10, ["x"] * 8 + ["y"] * 2, ["north"] * 8 + ["south"] * 2)
SHIFT = document([{"n": float(row)} for row in range(100)], [{"n": row + (row == 99) * 4.0} for row in range(100)])


@pytest.mark.parametrize(
    ("found", "limit", "kept", "passed"),
    [
        (FLIPS, "max_flip_ratio", 0.2, 0.19),
        (SHIFT, "max_mean_difference", 0.04, 0.0399),
        (SHIFT, "max_mean_size", 0.04, 0.0399),
        (SHIFT, "max_size", 4.0, 3.99),
        (SHIFT, "max_p95_size", 0.0, None),
        (document([0.0, 1.0], [0.0, None]), "max_unmatched_ratio", 1.0, None),
    ],
)
def test_a_limit_is_kept_up_to_itself(found: dict[str, Any], limit: str, kept: float, passed: float | None) -> None:
    assert beyond(found, **{limit: kept}) == []
    if passed is not None:
        assert [breach[2] for breach in beyond(found, **{limit: passed})] == [limit]


def test_a_limit_of_rows() -> None:
    found = document([1.0, 1.0, 1.0, "refused a"], [1.0, 1.0, "refused b", "refused b"])
    assert beyond(found, max_refused_ratio=0.25, min_rows=2) == []
    assert beyond(found, max_refused_ratio=0.24) == [(None, None, "max_refused_ratio")]
    assert beyond(found, min_rows=3) == [(None, None, "min_rows")]


def test_latency_is_a_ratio() -> None:
    found = document([1.0], [1.0])
    found["latency"] = {"a": {"p95": 2.0}, "b": {"p95": 3.0}}
    assert beyond(found, max_latency_ratio=1.5) == []
    assert beyond(found, max_latency_ratio=1.4) == [(None, None, "max_latency_ratio")]


def test_a_segment_has_limits_of_its_own_unless_it_is_too_small_to_tell() -> None:
    assert beyond(FLIPS, segments={"max_flip_ratio": 0.5}) == [("south", "prediction", "max_flip_ratio")]
    assert beyond(FLIPS, segments={"max_flip_ratio": 0.5, "min_rows": 3}) == []


def test_an_output_has_limits_of_its_own_and_must_be_there() -> None:
    assert beyond(FLIPS, outputs={"prediction": {"max_flip_ratio": 0.1}}) == [(None, "prediction", "max_flip_ratio")]
    (absent,) = find_breaches(Thresholds(outputs={"predictoin": OutputLimits(max_flip_ratio=0.1)}), FLIPS)
    assert format_breach(absent) == "predictoin, outputs: there is no such output; there is prediction"


@pytest.mark.parametrize(
    ("found", "limits", "output", "instead"),
    [
        (SHIFT, {"max_flip_ratio": 0.0}, None, "use max_p99_size"),
        (SHIFT, {"segments": {"max_flip_ratio": 0.0}}, None, "use max_p99_size"),
        (SHIFT, {"outputs": {"n": {"max_flip_ratio": 0.0}}}, "n", "use max_p99_size"),
        *(
            (FLIPS, {limit: 9.0 if "ratio" not in limit else 1.0}, None, "use max_flip_ratio")
            for limit in NUMBER_LIMITS
        ),
        (FLIPS, {"outputs": {"prediction": {"max_size": 9.0}}}, "prediction", "use max_flip_ratio"),
    ],
)
def test_a_limit_that_judges_nothing_of_these_answers_is_not_kept(
    found: dict[str, Any], limits: dict[str, Any], output: str | None, instead: str
) -> None:
    (breach,) = find_breaches(msgspec.convert(limits, Thresholds), found)
    assert (breach["output"], breach["found"]) == (output, None)
    assert instead in breach["reason"]
    assert instead in format_breach(breach)


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_an_answer_that_is_no_number_any_more_is_beyond_every_size(value: Any) -> None:
    found = document([0.5, 0.5], [value, value])
    for limit in ("max_size", "max_p95_size", "max_p99_size", "max_mean_size", "max_mean_difference"):
        assert [breach[2] for breach in beyond(found, **{limit: 1e300})] == [limit]


def test_the_contract_may_have_to_be_the_same_or_compatible() -> None:
    harmless = {"what": "column y", "a": None, "b": "long, may be null", "breaking": False}
    found = document(["x"], ["x"], schema=[harmless])
    assert beyond(found, schema="any") == beyond(found, schema="compatible") == []
    assert beyond(found, schema="same") == [(None, None, "schema")]
    broken = document(["x"], ["x"], schema=[harmless | {"breaking": True}])
    assert beyond(broken, schema="compatible") == [(None, None, "schema")]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("max_flop_ratio: 0.1", "max_flop_ratio"),
        ("segments: {outputs: {}}", "outputs"),
        ("max_flip_ratio: 1.5", "max_flip_ratio"),
        ("max_size: -1", "max_size"),
        ("max_size: .nan", "max_size"),
        ("max_size: a lot", "max_size"),
        ("schema: similar", "schema"),
        ("max_size: 1\nmax_size: 2", r"names a key twice in the mapping at line 1\."),
        ("outputs: {a: {max_size: 1}, a: {}}", "names a key twice"),
        (f"outputs: {'[' * 200_000}", "nested deeper than 32 levels"),
        ("max_size: 2020-13-45", "cannot be read"),
        ("- max_size", "object"),
        ("", "object"),
        ("{", "not YAML"),
        ("!!python/object/apply:os.system [id]", "contains a YAML tag"),
        ("max_size: !!bool x", "contains a YAML tag"),
        ("outputs: {a: &a {max_size: 1}, b: *a}", "anchor or alias"),
    ],
)
def test_a_file_that_says_something_else_is_refused(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "thresholds.yaml"
    path.write_text(text)
    with pytest.raises(BadSetting, match=named):
        read(path, None)


def test_every_limit_is_documented() -> None:
    text = DOCS.read_text()
    for kind in (OutputLimits, RowLimits, Thresholds):
        for field in msgspec.structs.fields(kind):
            assert f"| `{field.name}` |" in text
