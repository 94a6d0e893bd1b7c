"""What of the shadows' messages counts, and when it lets a version be promoted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from modelserve.core.errors import BadSetting
from modelserve.shadow.tally import Tally
from modelserve_control.common.errors import BeyondThresholds, NothingShadowed
from modelserve_control.compare.stats.thresholds import Thresholds
from modelserve_control.deploy.release.options import ReleaseOptions
from modelserve_control.deploy.release.shadow import MAX_SHADOWS, ShadowCounts, ShadowCriteria, check, find_breaches

CRITERIA = ShadowCriteria("m", "7", "8", "ab12", "projects/p/subscriptions/s", seconds=60.0, min_answers=100)
MESSAGE = {
    "model": "m", "version": "7", "shadow_model": "m", "shadow_version": "8", "shadow_manifest_sha256": "ab12",
    "shadow_id": "one",
}  # fmt: skip
LIMITS = Thresholds(max_flip_ratio=0.01, max_size=0.5, max_unmatched_ratio=0.0)
GOOD = Tally(compared=100, rows=200, flipped=2, differing=3, greatest=0.5)


def message(so_far: Tally | None = None, **names: Any) -> bytes:
    return msgspec.json.encode({**MESSAGE, "so_far": so_far or Tally(compared=5), "kind": "summary", **names})


def test_the_largest_counts_of_each_shadow_are_kept() -> None:
    """So that one which comes twice, late or not at all changes nothing."""
    counts = ShadowCounts({})
    assert counts.add(CRITERIA, message(Tally(compared=5, flipped=1)), 1.0)
    assert counts.add(CRITERIA, message(Tally(compared=9, flipped=2, errors={"MODEL_FAILED": 1})), 3.0)
    assert not counts.add(CRITERIA, message(Tally(compared=5, flipped=1)), 2.0)
    assert not counts.add(CRITERIA, message(Tally(compared=9, flipped=2, errors={"MODEL_FAILED": 1})), 3.0)
    assert counts.add(CRITERIA, message(Tally(compared=1, greatest=0.5), shadow_id="other"), 2.0)
    assert counts.total() == Tally(compared=10, flipped=2, greatest=0.5, errors={"MODEL_FAILED": 1})
    assert (counts.last_seen, counts.all_seen_since(2.0), counts.all_seen_since(3.0)) == (
        {"one": 3.0, "other": 2.0},
        True,
        False,
    )


@pytest.mark.parametrize(
    "names",
    [
        {"model": "n"},
        {"version": "6"},
        {"shadow_model": "n"},
        {"shadow_version": "9"},
        {"shadow_manifest_sha256": "cd34"},
        {"shadow_manifest_sha256": ""},
    ],
)
def test_other_versions_do_not_count(names: dict[str, str]) -> None:
    counts = ShadowCounts({})
    assert not counts.add(CRITERIA, message(None, **names), 1.0)
    assert (counts.shadows, counts.all_seen_since(2.0)) == ({}, True)
    found = MESSAGE | names
    assert counts.other == (
        f"version {found['version']} of {found['model']} with version {found['shadow_version']} of {found['shadow_model']}"
    )


IMPOSSIBLE = [
    Tally(compared=5, flipped=-5), Tally(compared=-5), Tally(compared=5, errors={"MODEL_FAILED": -5}), Tally(compared=5, flipped=2**60),
    Tally(compared=5, greatest=-1.0), Tally(compared=5, errors={"\x1b[2J": 1}), Tally(compared=5, errors={"X" * 41: 1}),
    Tally(compared=5, errors={f"X{number}": 1 for number in range(21)}),
]  # fmt: skip


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\xff", b"[]", b"{}", message(so_far="many"), message(shadow_id=None), message(shadow_id="x" * 41), message(model="m" * 1_025),  # type: ignore[arg-type]  # on purpose
        message().replace(b'"flipped":0', b'"flipped":' + b"9" * 400), message().replace(b'"greatest":0.0', b'"greatest":1e999'),
        *map(message, IMPOSSIBLE),
    ],
)  # fmt: skip
def test_what_is_no_shadows_message_is_passed_over(data: bytes) -> None:
    """Else it would take from what the others have counted, or leave a record that nobody can read."""
    counts = ShadowCounts({})
    assert not counts.add(CRITERIA, data, 1.0)
    assert (counts.shadows, counts.other) == ({}, None)


def test_so_many_shadows_are_noted_as_a_record_holds() -> None:
    counts = ShadowCounts({str(number): Tally() for number in range(MAX_SHADOWS)})
    assert not counts.add(CRITERIA, message(), 1.0)
    assert counts.add(CRITERIA, message(shadow_id="0"), 1.0)


def test_up_to_its_limits_a_version_passes() -> None:
    check(ShadowCounts({"one": GOOD}), CRITERIA, LIMITS)


@pytest.mark.parametrize(
    ("more", "limit", "allowed", "found"),
    [
        ({"flipped": 3}, "max_flip_ratio", 0.01, 3 / 200),
        ({"greatest": 0.75}, "max_size", 0.5, 0.75),
        ({"forms": 1}, "max_unmatched_ratio", 0.0, 1 / 100),
        ({"errors": {"MODEL_FAILED": 1}}, "max_refused_ratio", 0.0, 1 / 101),
    ],
)
def test_beyond_a_limit_it_is_refused(more: dict[str, Any], limit: str, allowed: float, found: float) -> None:
    counts = ShadowCounts({"one": msgspec.structs.replace(GOOD, **more)})
    with pytest.raises(BeyondThresholds, match="The shadows of version 8 of m with version 7 exceed") as refused:
        check(counts, CRITERIA, LIMITS)
    (breach,) = refused.value.details
    assert (breach["limit"], breach["allowed"], breach["found"]) == (limit, allowed, found)


def test_all_shadows_are_judged_together() -> None:
    flipping = msgspec.structs.replace(GOOD, flipped=4)
    check(ShadowCounts({"one": flipping, "other": msgspec.structs.replace(GOOD, flipped=0)}), CRITERIA, LIMITS)
    with pytest.raises(BeyondThresholds):
        check(ShadowCounts({"one": flipping, "other": GOOD}), CRITERIA, LIMITS)


def test_without_limits_everything_may_differ_but_nothing_may_fail() -> None:
    wild = Tally(compared=100, rows=100, flipped=100, forms=100, greatest=1e300, differing=100)
    assert find_breaches(Thresholds(), wild) == []
    failing = Tally(compared=100, errors={"MODEL_FAILED": 100})
    assert [one["limit"] for one in find_breaches(Thresholds(), failing)] == ["max_refused_ratio"]
    assert find_breaches(Thresholds(max_refused_ratio=0.5), failing) == []


def test_a_version_that_gives_no_answer_is_refused_for_that() -> None:
    """And not because nothing was compared."""
    with pytest.raises(BeyondThresholds, match=r"100 failed \(100 SIGNATURE_MISMATCH\)"):
        check(ShadowCounts({"one": Tally(errors={"SIGNATURE_MISMATCH": 100})}), CRITERIA, LIMITS)


def test_too_few_answers_say_nothing() -> None:
    with pytest.raises(NothingShadowed, match=r"for fewer than 100 answers\. 2 shadows compared 99 answers"):
        check(ShadowCounts({"one": Tally(compared=98), "other": Tally(compared=1)}), CRITERIA, LIMITS)


def test_where_nothing_was_compared_it_says_what_may_be_wrong() -> None:
    counts = ShadowCounts({})
    with pytest.raises(NothingShadowed, match="is SHADOW_MODEL_URI of a running service set to its challenger"):
        check(counts, CRITERIA, LIMITS)
    counts.add(CRITERIA, message(shadow_version="6"), 1.0)
    with pytest.raises(NothingShadowed, match=r"The last one compared version 7 of m with version 6 of m\."):
        check(counts, CRITERIA, LIMITS)


@pytest.mark.parametrize(
    ("seconds", "subscription", "message"),
    [
        (60.0, None, "must be given together"),
        (None, "projects/p/subscriptions/s", "must be given together"),
        (60.0, "s", "must be projects/P/subscriptions/S"),
        (60.0, "projects/p/topics/t", "must be projects/P/subscriptions/S"),
    ],
)
def test_a_mistake_in_the_options_is_told(
    tmp_path: Path, seconds: float | None, subscription: str | None, message: str
) -> None:
    limits = tmp_path / "thresholds.yaml"
    limits.write_text("{}")
    with pytest.raises(BadSetting, match=message):
        ReleaseOptions("m", "8", "s", "d", limits, shadow=seconds, shadow_subscription=subscription).check()
