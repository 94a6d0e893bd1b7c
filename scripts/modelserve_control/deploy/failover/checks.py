"""What must be true before a side gets more requests."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import Final

from modelserve_control.common.progress import Progress
from modelserve_control.deploy.failover.errors import OpenToAnybody, SideNotReady, VersionsDiffer
from modelserve_control.deploy.failover.sides import CLOSED, Look, Side

POLL_SECONDS: Final = 1.0
DOWN_LOOKS: Final = 3  # one after another, so that a single lost answer does not pass for an outage


def wait_until_fit(target: Side, other: Side, seconds: float, any_version: bool, progress: Progress) -> bool:
    """Whether the models were compared: they are not when `other` is down, or with `any_version`.

    Raises SideNotReady, VersionsDiffer.
    """
    end = time.monotonic() + seconds
    outage = 0
    said = ""
    while True:
        found = target.look()
        against = other.look() if found.ready and not any_version else None
        if found.ready and (against is None or found.model == against.model):
            return against is not None
        outage = outage + 1 if against and against.down else 0
        if against and outage >= DOWN_LOOKS:
            progress.say(f"{other.name} does not answer, so the models were not compared: {against.reason}")
            return False
        refusal = difference(target, found, other, against) if against else not_ready(target, found)
        if time.monotonic() >= end and not outage:
            raise refusal
        if refusal.message != said:
            said = refusal.message
            progress.say(said)
        time.sleep(POLL_SECONDS)


def not_ready(target: Side, found: Look) -> SideNotReady:
    return SideNotReady(f"{target.name} is not ready: {found.reason}. Nothing was moved.")


def difference(target: Side, found: Look, other: Side, against: Look) -> VersionsDiffer:
    if not against.ready:
        return VersionsDiffer(
            f"The model of {target.name} cannot be compared with that of {other.name}: {against.reason}. "
            "--allow-different-versions goes on without."
        )
    return VersionsDiffer(
        f"{target.name} serves {found.model}, and {other.name} serves {against.model}. "
        "Wait for both to activate the same version; --allow-different-versions goes on without."
    )


def check_callers(cluster: Side, functions: Side) -> None:
    """Cloud Run checks callers by IAM and the Gateway only if it was told to. Raises OpenToAnybody."""
    if cluster.anonymous() != HTTPStatus.OK:
        return
    found = functions.anonymous()
    if found == HTTPStatus.OK:
        return
    why = (
        "the function turns them away"
        if found in CLOSED
        else f"whether the function would is not known: {'no answer' if found is None else f'it gave {found}'}"
    )
    raise OpenToAnybody(
        f"gke answers callers that show no identity, and {why}. Verify callers at the Gateway; "
        "--allow-anonymous goes on when anybody may call."
    )
