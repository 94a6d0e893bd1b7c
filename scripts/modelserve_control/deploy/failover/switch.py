"""Move requests: check before, watch after, and move them back when the side fails."""

from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Any, Final

from modelserve.core.errors import ServeError
from modelserve_control.common.progress import Progress
from modelserve_control.common.services.polling import poll
from modelserve_control.deploy.failover.balancer import Balancer, Reading
from modelserve_control.deploy.failover.checks import check_callers, wait_until_fit
from modelserve_control.deploy.failover.sides import Side
from modelserve_control.deploy.failover.weights import NAMES, Name, Weights, other_side

INTERVAL_SECONDS: Final = 1.0  # between two probes of a side that got more requests
WINDOW: Final = 10  # probes
MAX_FAILED: Final = 3  # of the window, from which on a side has failed; a single lost answer is no failure

Sides = Mapping[Name, Side]


class SideFailed(ServeError):
    """The side failed after it got more requests; the message says how they are shared out now."""

    code = "SIDE_FAILED"
    status = HTTPStatus.BAD_GATEWAY


@dataclass(frozen=True)
class SwitchOptions:
    """`weight` is the percentage of requests that `to` is to get; `wait` and `watch` are seconds."""

    to: Name
    weight: int
    wait: float
    watch: float
    any_version: bool = False
    any_caller: bool = False


def status(balancer: Balancer, seen: Reading, sides: Sides) -> dict[str, Any]:
    states = {name: sides[name].state() for name in NAMES}
    models = [states[name].model for name in NAMES]
    return describe_weights(balancer, seen.weights) | {
        "sides": {
            name: {"ready": one.ready, "reason": one.reason, "model": one.model and asdict(one.model)}
            for name, one in states.items()
        },
        "same_model": models[0] == models[1] if all(models) else None,
    }


def switch(balancer: Balancer, seen: Reading, sides: Sides, order: SwitchOptions, progress: Progress) -> dict[str, Any]:
    """Raises SideFailed after requests were moved, and other errors when nothing was."""
    wanted = Weights.with_percent(order.to, order.weight)
    if wanted.equals(seen.weights):
        unchanged = {"changed": False, "compared": False, "probes": 0, "failed": 0}
        return describe_weights(balancer, seen.weights) | unchanged
    target = sides[wanted.gaining_side(seen.weights)]
    other = sides[other_side(target.name)]
    if target.name == "gke" and not order.any_caller:
        check_callers(target, other)
    compared = wait_until_fit(target, other, order.wait, order.any_version, progress)
    try:
        balancer.write(seen, wanted)
        progress.say(f"moved: {wanted}")
        probes, failed, reason = watch(target, order.watch)
    except KeyboardInterrupt:
        progress.say(
            f"Interrupted: {target.name} is not watched any more; --status shows how requests are shared out now."
        )
        raise
    if reason is not None:
        raise SideFailed(f"{target.name} failed, {reason}. {put_back(balancer, seen.weights, wanted, other)}")
    counts = {"changed": True, "compared": compared, "probes": probes, "failed": failed}
    return describe_weights(balancer, wanted) | counts


def watch(side: Side, seconds: float) -> tuple[int, int, str | None]:
    """Counts of all probes and of the failed ones, and how the side failed: then it returns at once."""
    latest: deque[bool] = deque(maxlen=WINDOW)
    probes = failed = 0
    for _ in poll(seconds, INTERVAL_SECONDS) if seconds else ():
        found = side.probe()
        probes += 1
        failed += not found.ready
        latest.append(found.ready)
        lost = latest.count(False)
        if lost >= MAX_FAILED:
            return probes, failed, f"{lost} of its last {len(latest)} probes failed: {found.reason}"
    return probes, failed, None


def put_back(balancer: Balancer, before: Weights, written: Weights, other: Side) -> str:
    if (found := other.probe()).down:
        return f"{other.name} does not answer either ({found.reason}), so the weights stay: {written}."
    try:
        now = balancer.read()
        if not now.weights.equals(written):
            return f"Somebody else has moved the weights since, so they stay: {now.weights}."
        balancer.write(now, before)
    except ServeError as error:
        return f"The weights could not be put back; look at --status. {error.message}"
    return f"The weights are back: {before}."


def describe_weights(balancer: Balancer, weights: Weights) -> dict[str, Any]:
    return {
        "url_map": balancer.url_map,
        "weights": {name: {"weight": weights.of(name), "percent": weights.percent(name)} for name in NAMES},
    }
