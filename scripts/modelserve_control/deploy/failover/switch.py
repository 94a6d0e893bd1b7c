"""Moving requests: checked before, watched after, and taken back when the side fails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modelserve.core.errors import ServeError
from modelserve_control.common.progress import Progress
from modelserve_control.deploy.failover.balancer import Balancer, Reading
from modelserve_control.deploy.failover.checks import check_callers, wait_until_fit
from modelserve_control.deploy.failover.errors import SideFailed
from modelserve_control.deploy.failover.sides import Side
from modelserve_control.deploy.failover.watch import watch
from modelserve_control.deploy.failover.weights import NAMES, Name, Weights, opposite

Sides = Mapping[Name, Side]


@dataclass(frozen=True)
class Order:
    """`weight` is the percentage of requests that `to` is to get; `wait` and `watch` are seconds."""

    to: Name
    weight: int
    wait: float
    watch: float
    any_version: bool = False
    any_caller: bool = False


def status(balancer: Balancer, seen: Reading, sides: Sides) -> dict[str, Any]:
    """Read from the URL map and the sides themselves: nothing is remembered from one command to the next."""
    looks = {name: sides[name].look() for name in NAMES}
    models = [looks[name].model for name in NAMES]
    return shared(balancer, seen.weights) | {
        "sides": {name: looks[name].told() for name in NAMES},
        "same_model": models[0] == models[1] if all(models) else None,
    }


def switch(balancer: Balancer, seen: Reading, sides: Sides, order: Order, progress: Progress) -> dict[str, Any]:
    """Raises what says why nothing was moved, or SideFailed after it was."""
    wanted = Weights.giving(order.to, order.weight)
    if wanted.same(seen.weights):
        return shared(balancer, seen.weights) | {"changed": False, "compared": False, "probes": 0, "failed": 0}
    target = sides[wanted.gains(seen.weights)]
    other = sides[opposite(target.name)]
    if target.name == "gke" and not order.any_caller:
        check_callers(target, other)
    compared = wait_until_fit(target, other, order.wait, order.any_version, progress)
    try:
        balancer.write(seen, wanted)
        progress.say(f"moved: {wanted}")
        found = watch(target, order.watch)
    except KeyboardInterrupt:
        progress.say(f"Interrupted: nobody watches {target.name}, and --status says how requests are shared out now.")
        raise
    if found.reason is not None:
        raise SideFailed(f"{target.name} failed, {found.reason}. {put_back(balancer, seen.weights, wanted, other)}")
    return shared(balancer, wanted) | {
        "changed": True,
        "compared": compared,
        "probes": found.probes,
        "failed": found.failed,
    }


def put_back(balancer: Balancer, before: Weights, wrote: Weights, other: Side) -> str:
    """What was done, in a sentence. Nothing is, when the other side is no better or somebody else has moved requests."""
    if (found := other.probe()).down:
        return f"{other.name} does not answer either ({found.reason}), so the weights stay: {wrote}."
    try:
        now = balancer.read()
        if not now.weights.same(wrote):
            return f"Somebody else has moved the weights since, so they stay: {now.weights}."
        balancer.write(now, before)
    except ServeError as error:
        return f"The weights could not be put back; ask for --status. {error.message}"
    return f"The weights are back: {before}."


def shared(balancer: Balancer, weights: Weights) -> dict[str, Any]:
    return {
        "url_map": balancer.url_map,
        "weights": {name: {"weight": weights.of(name), "percent": weights.percent(name)} for name in NAMES},
    }
