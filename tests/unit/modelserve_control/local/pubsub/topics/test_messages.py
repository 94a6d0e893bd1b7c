from __future__ import annotations

import pytest

from modelserve_control.local.pubsub.topics.errors import BadInput
from modelserve_control.local.pubsub.topics.messages import Message, check, format_time
from unit.modelserve_control.local.pubsub.clocks import message


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        [message("")],
        [message("x")] * 1_001,
        [message("x", "k" * 1_025)],
        [message("x", **{str(number): "" for number in range(101)})],
        [message("x", **{"k" * 257: "v"})],
        [message("x", **{"": "v"})],
        [message("x", k="v" * 1_025)],
        [message("x" * 5_000_000), message("x" * 5_000_001)],
    ],
    ids=["none", "empty", "many", "key", "attributes", "name", "unnamed", "value", "bytes"],
)
def test_what_cannot_be_published_is_refused(wrong: list[Message]) -> None:
    with pytest.raises(BadInput):
        check(wrong)


def test_a_message_may_have_attributes_and_no_data() -> None:
    check([message("", colour="red")])


def test_times_are_rfc_3339_in_milliseconds() -> None:
    assert format_time(1_700_000_000.1234) == "2023-11-14T22:13:20.123Z"
