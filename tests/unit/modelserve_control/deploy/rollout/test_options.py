from __future__ import annotations

import pytest

from modelserve.core.errors import BadSetting
from modelserve_control.deploy.rollout.golden import Golden
from modelserve_control.deploy.rollout.options import RolloutOptions, check_services, parse_expected, parse_shares
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
    assert parse_expected(["a=churn/7", "b=churn"]) == {"a": ("churn", "7"), "b": ("churn", None)}


@pytest.mark.parametrize(
    "text", ["churn-predict", "churn-predict=", "churn-predict=/7", "churn-predict=churn/", "=churn"]
)
def test_what_says_no_service_or_no_model(text: str) -> None:
    with pytest.raises(BadSetting):
        parse_expected([text])


def make_options(*services: str, serves: tuple[str, ...] = (), golden: tuple[str | None, ...] = ()) -> RolloutOptions:
    """A service of `predict_event` ends in -event. `golden` are the models of golden requests."""
    functions = tuple(("predict_event" if name.endswith("-event") else "predict", name) for name in services)
    return RolloutOptions(
        "p",
        "r",
        functions,
        expected=parse_expected(serves),
        golden=tuple(Golden(1, 2, model=model) for model in golden),
    )


BOTH = ("churn", "churn-event")


@pytest.mark.parametrize(
    ("services", "serves", "golden", "words"),
    [
        (("churn", "churn"), (), (), "name churn twice"),
        (("a-event", "b", "a-event"), (), (), "name a-event twice"),
        (("churn",), ("flights=flights",), (), "names flights, which is not among the services"),
        (BOTH, ("churn=churn",), (), "does not name churn-event: name the model of every service, or of none"),
        (("churn",), (), ("churn",), "request 1 is for no service: name one with --predict, and churn as its model"),
        (("churn",), ("churn=churn",), ("churn", "flights"), "request 2 is for no service"),
        (BOTH, ("churn=churn", "churn-event=flights"), ("flights",), "request 1 is for no service"),
        (("churn-event",), (), (None,), "request 1 is for no service: name one with --predict, or delete the request"),
    ],
)
def test_a_check_that_would_be_left_out_is_refused(
    services: tuple[str, ...], serves: tuple[str, ...], golden: tuple[str | None, ...], words: str
) -> None:
    with pytest.raises(BadSetting, match=words):
        check_services(make_options(*services, serves=serves, golden=golden))


def test_a_model_is_named_once_for_each_service() -> None:
    with pytest.raises(BadSetting, match="names churn twice: name the model of each service once"):
        parse_expected(["churn=churn/7", "churn=churn/8"])


def test_a_golden_request_is_for_the_services_of_its_model() -> None:
    serves = ("churn=churn/7", "churn-event=churn/7", "flights=flights")
    options = make_options(*BOTH, "flights", serves=serves, golden=("churn", "flights", None))
    check_services(options)
    found = {name: [one.model for one in options.golden_for(name)] for name in options.services}
    assert found == {"churn": ["churn", None], "churn-event": [], "flights": ["flights", None]}


def test_the_95th_percentile_is_one_of_the_values() -> None:
    assert p95([float(number) for number in range(1, 101)]) == 95.0
    assert p95([3.0]) == 3.0
    assert p95([1.0] * 38 + [2.0, 9.0]) == 1.0
