import time
from http import HTTPStatus
from typing import Final

from modelserve.core.errors import PreconditionFailed, ServeError, Unavailable
from modelserve_control.common.progress import Progress
from modelserve_control.deploy.failover.sides import CLOSED, Side, SideState

POLL_SECONDS: Final = 1.0
MIN_OUTAGE: Final = 3  # failed checks in a row: a single lost answer is no outage


class SideNotReady(Unavailable):
    code = "SIDE_NOT_READY"


class VersionsDiffer(PreconditionFailed):
    code = "VERSIONS_DIFFER"


class OpenToAnybody(ServeError):
    """The cluster answers callers that the function would refuse."""

    code = "OPEN_TO_ANYBODY"
    status = HTTPStatus.FORBIDDEN


def wait_until_fit(target: Side, other: Side, seconds: float, any_version: bool, progress: Progress) -> bool:
    """Whether the models were compared. They are not with `any_version`, or when `other` is down.

    Raises SideNotReady, VersionsDiffer.
    """
    end = time.monotonic() + seconds
    outage = 0
    refusal: ServeError
    last_message = ""
    while True:
        found = target.state()
        against = other.state() if found.ready and not any_version else None
        if found.ready and (against is None or found.model == against.model):
            return against is not None
        outage = outage + 1 if against and against.down else 0
        if against and outage >= MIN_OUTAGE:
            progress.say(f"{other.name} does not answer, so the models were not compared: {against.reason}")
            return False
        if against:
            refusal = version_error(target, found, other, against)
        else:
            refusal = SideNotReady(f"{target.name} is not ready: {found.reason}. Nothing was moved.")
        if time.monotonic() >= end and not outage:
            raise refusal
        if refusal.message != last_message:
            last_message = refusal.message
            progress.say(last_message)
        time.sleep(POLL_SECONDS)


def version_error(target: Side, found: SideState, other: Side, against: SideState) -> VersionsDiffer:
    if not against.ready:
        return VersionsDiffer(
            f"The model of {target.name} cannot be compared with that of {other.name}: {against.reason}. "
            "--allow-different-versions moves requests without the comparison."
        )
    return VersionsDiffer(
        f"{target.name} serves {found.model}, and {other.name} serves {against.model}. "
        "Wait until both have activated the same version, or give --allow-different-versions."
    )


def check_callers(cluster: Side, functions: Side) -> None:
    """Cloud Run checks callers by IAM; the Gateway does so only where it is configured. Raises OpenToAnybody."""
    if cluster.anonymous_status() != HTTPStatus.OK:
        return
    found = functions.anonymous_status()
    if found == HTTPStatus.OK:
        return
    why = (
        "the function refuses them"
        if found in CLOSED
        else f"it is not known whether the function would: {'no answer' if found is None else f'it gave {found}'}"
    )
    raise OpenToAnybody(
        f"gke answers callers without an identity, and {why}. Verify callers at the Gateway, "
        "or give --allow-anonymous if anybody may call."
    )
