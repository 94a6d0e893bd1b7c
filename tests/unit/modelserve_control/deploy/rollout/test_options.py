from __future__ import annotations

import pytest

from modelserve.core.errors import BadSetting
from modelserve_control.deploy.rollout.options import RolloutOptions, parse_serves, parse_shares
from modelserve_control.deploy.rollout.probe import p95


def test_services_come_in_one_order_for_everybody() -> None:
    one = RolloutOptions("p", "r", (("predict", "b"), ("predict_event", "a")))
    assert one.services == ("a", "b") == RolloutOptions("p", "r", (("predict", "a"), ("predict_event", "b"))).services
    assert (one.function("a"), one.full_name("a")) == ("predict_event", "projects/p/locations/r/services/a")


def test_shares() -> None:
    assert parse_shares("5, 25,100") == (5, 25, 100)
    assert parse_shares("100") == (100,)


@pytest.mark.parametrize("text", ["", "5,25", "25,5,100", "5,5,100", "0,100", "x,100", "50,100,101", "-1,100"])
def test_shares_that_do_not_rise_to_100(text: str) -> None:
    with pytest.raises(BadSetting, match="rising percents"):
        parse_shares(text)


def test_what_a_service_must_serve() -> None:
    assert parse_serves("churn-predict=churn/7") == ("churn-predict", ("churn", "7"))
    assert parse_serves("churn-predict=churn") == ("churn-predict", ("churn", None))


@pytest.mark.parametrize(
    "text", ["churn-predict", "churn-predict=", "churn-predict=/7", "churn-predict=churn/", "=churn"]
)
def test_what_says_no_service_or_no_model(text: str) -> None:
    with pytest.raises(BadSetting):
        parse_serves(text)


def test_the_95th_percentile_is_one_of_the_values() -> None:
    assert p95([float(number) for number in range(1, 101)]) == 95.0
    assert p95([3.0]) == 3.0
    assert p95([1.0] * 38 + [2.0, 9.0]) == 1.0
