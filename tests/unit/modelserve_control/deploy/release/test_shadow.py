"""What of the shadows' messages counts, and when it lets a version be promoted."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from modelserve.core.errors import BadSetting
from modelserve.shadow.tally import Tally
from modelserve_control.common.errors import BeyondThresholds, NothingShadowed
from modelserve_control.compare.stats.thresholds import Thresholds
from modelserve_control.deploy.release import shadow as release_shadow
from modelserve_control.deploy.release.shadow import MOST_SHADOWS, Heard, Wanted, breaches, judge

WANTED = Wanted("m", "7", "8", "ab12", "projects/p/subscriptions/s", seconds=60.0, least=100)
TOLD = {
    "model": "m", "version": "7", "shadow_model": "m", "shadow_version": "8", "shadow_manifest_sha256": "ab12",
    "shadow_id": "one",
}  # fmt: skip
LIMITS = Thresholds(max_flip_ratio=0.01, max_size=0.5, max_unmatched_ratio=0.0)
GOOD = Tally(compared=100, rows=200, flipped=2, differing=3, greatest=0.5)


def message(so_far: Tally | None = None, **names: Any) -> bytes:
    return msgspec.json.encode({**TOLD, "so_far": so_far or Tally(compared=5), "kind": "summary", **names})


def test_the_largest_counts_of_each_shadow_are_kept() -> None:
    """So that one which comes twice, late or not at all changes nothing."""
    heard = Heard({})
    assert heard.take(WANTED, message(Tally(compared=5, flipped=1)), 1.0)
    assert heard.take(WANTED, message(Tally(compared=9, flipped=2, errors={"MODEL_FAILED": 1})), 3.0)
    assert not heard.take(WANTED, message(Tally(compared=5, flipped=1)), 2.0)
    assert not heard.take(WANTED, message(Tally(compared=9, flipped=2, errors={"MODEL_FAILED": 1})), 3.0)
    assert heard.take(WANTED, message(Tally(compared=1, greatest=0.5), shadow_id="other"), 2.0)
    assert heard.total() == Tally(compared=10, flipped=2, greatest=0.5, errors={"MODEL_FAILED": 1})
    assert (heard.last, heard.all_since(2.0), heard.all_since(3.0)) == ({"one": 3.0, "other": 2.0}, True, False)


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
    heard = Heard({})
    assert not heard.take(WANTED, message(None, **names), 1.0)
    assert (heard.shadows, heard.all_since(2.0)) == ({}, True)
    found = TOLD | names
    assert heard.other == (
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
    heard = Heard({})
    assert not heard.take(WANTED, data, 1.0)
    assert (heard.shadows, heard.other) == ({}, None)


def test_so_many_shadows_are_noted_as_a_record_holds() -> None:
    heard = Heard({str(number): Tally() for number in range(MOST_SHADOWS)})
    assert not heard.take(WANTED, message(), 1.0)
    assert heard.take(WANTED, message(shadow_id="0"), 1.0)


def test_up_to_its_limits_a_version_passes() -> None:
    judge(Heard({"one": GOOD}), WANTED, LIMITS)


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
    heard = Heard({"one": msgspec.structs.replace(GOOD, **more)})
    with pytest.raises(BeyondThresholds, match="The shadows of version 8 of m with version 7 are beyond") as refused:
        judge(heard, WANTED, LIMITS)
    (breach,) = refused.value.details
    assert (breach["limit"], breach["allowed"], breach["found"]) == (limit, allowed, found)


def test_all_shadows_are_judged_together() -> None:
    flipping = msgspec.structs.replace(GOOD, flipped=4)
    judge(Heard({"one": flipping, "other": msgspec.structs.replace(GOOD, flipped=0)}), WANTED, LIMITS)
    with pytest.raises(BeyondThresholds):
        judge(Heard({"one": flipping, "other": GOOD}), WANTED, LIMITS)


def test_without_limits_everything_may_differ_but_nothing_may_fail() -> None:
    wild = Tally(compared=100, rows=100, flipped=100, forms=100, greatest=1e300, differing=100)
    assert breaches(Thresholds(), wild) == []
    failing = Tally(compared=100, errors={"MODEL_FAILED": 100})
    assert [one["limit"] for one in breaches(Thresholds(), failing)] == ["max_refused_ratio"]
    assert breaches(Thresholds(max_refused_ratio=0.5), failing) == []


def test_a_version_that_gives_no_answer_is_refused_for_that() -> None:
    """And not because nothing was compared."""
    with pytest.raises(BeyondThresholds, match=r"100 were not given \(100 SIGNATURE_MISMATCH\)"):
        judge(Heard({"one": Tally(errors={"SIGNATURE_MISMATCH": 100})}), WANTED, LIMITS)


def test_too_few_answers_say_nothing() -> None:
    with pytest.raises(NothingShadowed, match=r"for fewer than 100 answers\. 2 shadows compared 99 answers"):
        judge(Heard({"one": Tally(compared=98), "other": Tally(compared=1)}), WANTED, LIMITS)


def test_where_nothing_was_compared_it_says_what_may_be_wrong() -> None:
    heard = Heard({})
    with pytest.raises(NothingShadowed, match="is SHADOW_MODEL_URI of a running service set to its challenger"):
        judge(heard, WANTED, LIMITS)
    heard.take(WANTED, message(shadow_version="6"), 1.0)
    with pytest.raises(NothingShadowed, match=r"The last one compared version 7 of m with version 6 of m\."):
        judge(heard, WANTED, LIMITS)


@pytest.mark.parametrize(
    ("seconds", "subscription", "message"),
    [
        (60.0, None, "they go together"),
        (None, "projects/p/subscriptions/s", "they go together"),
        (60.0, "s", "must be projects/P/subscriptions/S"),
        (60.0, "projects/p/topics/t", "must be projects/P/subscriptions/S"),
    ],
)
def test_a_mistake_in_the_options_is_told(seconds: float | None, subscription: str | None, message: str) -> None:
    with pytest.raises(BadSetting, match=message):
        release_shadow.check(seconds, subscription)
