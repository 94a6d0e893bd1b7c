from __future__ import annotations

from modelserve_control.deploy.rollout.cloud.traffic import Tag, Target, build_targets, describe, is_applied, split

OURS = "candidate-1"


def test_no_targets_and_the_latest_are_the_latest_revision() -> None:
    assert split([], "b") == split([Target(None, 100)], "b") == {"b": 100}


def test_a_revision_may_stand_in_several_targets() -> None:
    assert split([Target("a", 60), Target("b", 20), Target(None, 20), Target("c", 0, "t")], "b") == {"a": 60, "b": 40}


def test_targets_are_by_name_and_carry_the_tag() -> None:
    tag = Tag(OURS, "b")
    assert build_targets({"a": 100}, tag, [], OURS) == [Target("a", 100), Target("b", 0, OURS)]
    assert build_targets({"a": 75, "b": 25}, tag, [], OURS) == [Target("a", 75), Target("b", 25, OURS)]


def test_tags_of_others_stay_and_ours_goes() -> None:
    now = [Target("a", 100, "stable"), Target("b", 0, OURS), Target(None, 0, "newest")]
    assert build_targets({"b": 100, "a": 0}, None, now, OURS) == [
        Target("b", 100),
        Target("a", 0, "stable"),
        Target(None, 0, "newest"),
    ]


def test_what_stands_need_not_be_written_alike() -> None:
    assert is_applied({"a": 100}, None, [Target("a", 100, "stable")], OURS)
    assert is_applied({"a": 100}, None, [Target("a", 40), Target("a", 60)], OURS)
    assert is_applied({"a": 100}, Tag(OURS, "b"), [Target("a", 100), Target("b", 0, OURS)], OURS)


def test_the_latest_does_not_stand_for_its_name() -> None:
    assert not is_applied({"a": 100}, None, [Target(None, 100)], OURS)
    assert not is_applied({"a": 100}, None, [], OURS)


def test_a_tag_that_is_missing_elsewhere_or_left_over_does_not_stand() -> None:
    assert not is_applied({"a": 100}, Tag(OURS, "b"), [Target("a", 100)], OURS)
    assert not is_applied({"a": 100}, Tag(OURS, "b"), [Target("a", 100), Target("c", 0, OURS)], OURS)
    assert not is_applied({"a": 100}, None, [Target("a", 100), Target("b", 0, OURS)], OURS)


def test_describe() -> None:
    assert describe({"a": 95, "b": 5}) == "95 % to a and 5 % to b"
    assert describe({}) == "to no revision"
