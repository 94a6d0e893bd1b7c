"""One Cloud Run service: what it says, and how its traffic is moved without overwriting what somebody else changed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

from google.api_core.exceptions import Conflict, Forbidden, GoogleAPICallError, PreconditionFailed
from google.api_core.exceptions import NotFound as Absent
from google.cloud import run_v2
from google.cloud.run_v2.services.revisions.transports import RevisionsRestTransport
from google.cloud.run_v2.services.services.transports import ServicesRestTransport

from modelserve.core.errors import NotFound
from modelserve_control.deploy.rollout.cloud import api
from modelserve_control.deploy.rollout.cloud.api import Pauses
from modelserve_control.deploy.rollout.cloud.traffic import Split, Tag, Target, split, stands, told, wanted
from modelserve_control.deploy.rollout.errors import CloudFailed, Doubt, TrafficMoved

T = TypeVar("T")

SETTLE = 180.0  # seconds for Cloud Run to do what it was told
LATEST = run_v2.TrafficTargetAllocationType.TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST
BY_NAME = run_v2.TrafficTargetAllocationType.TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION
STATE = run_v2.Condition.State
# From where anybody may come; the others are closed to whoever is outside of the service's network.
OPEN = (run_v2.IngressTraffic.INGRESS_TRAFFIC_UNSPECIFIED, run_v2.IngressTraffic.INGRESS_TRAFFIC_ALL)


@dataclass(frozen=True)
class State:
    """One reading. `targets` is what the service was told, `observed` what it does; revisions by their short names."""

    etag: str
    targets: tuple[Target, ...]
    observed: tuple[Target, ...]
    latest_ready: str
    latest_created: str
    url: str
    tagged: dict[str, str]
    settled: bool
    message: str
    open: bool

    @property
    def split(self) -> dict[str, int]:
        return split(self.targets, self.latest_ready)


class Clients:
    """Google's own clients, over REST."""

    def __init__(self) -> None:
        address = api.endpoint("run")
        parts = urlsplit(address)
        options = {"host": parts.netloc, "url_scheme": parts.scheme, "credentials": api.credentials(address)}
        self.services = run_v2.ServicesClient(transport=ServicesRestTransport(**options))
        self.revisions = run_v2.RevisionsClient(transport=RevisionsRestTransport(**options))

    def close(self) -> None:
        self.services.transport.close()
        self.revisions.transport.close()


class Service:
    """`name` is its full name: projects/P/locations/R/services/S."""

    def __init__(self, clients: Clients, name: str) -> None:
        self._clients = clients
        self.name = name
        self.short = short(name)

    def read(self) -> State:
        """Raises NotFound, CloudFailed."""
        found = self._ask(lambda: self._clients.services.get_service(name=self.name, retry=None, timeout=api.TIMEOUT))
        return state(found)

    def settled(self, seconds: float = SETTLE) -> State:
        """What it says once it has come to rest. Raises Doubt."""
        pauses = Pauses(seconds)
        while not (found := self.read()).settled:
            if not pauses.again():
                raise Doubt(f"{self.short} was still changing after {seconds:g} s.")
        return found

    def move(
        self, shares: Split, tag: Tag | None, ours: str, allowed: Callable[[State], bool], check: Callable[[], object]
    ) -> None:
        """Gives `shares` of the traffic, and the tag, by name. Told once more when it is so already, it changes nothing.

        Raises TrafficMoved when the traffic is neither like that nor `allowed`: somebody else moved it. `check` is called
        before each attempt. `ours` is the tag that is replaced or taken away.
        """
        pauses = Pauses(SETTLE)
        while not stands(shares, tag, (now := self.read()).targets, ours):
            if not allowed(now):
                raise self.moved(now)
            check()
            self._update(now.etag, wanted(shares, tag, now.targets, ours))
            if not pauses.again():
                raise CloudFailed(f"The traffic of {self.short} could not be moved within {SETTLE:g} s.")
        self._observed(shares, tag)

    def moved(self, now: State) -> TrafficMoved:
        words = f"Somebody else has moved the traffic of {self.short}: {told(now.split)}. It stays like that."
        return TrafficMoved(words, self.short)

    def ready(self, revision: str, seconds: float) -> None:
        """Waits. Raises Doubt when it fails or takes too long."""
        pauses = Pauses(seconds)
        full = f"{self.name}/revisions/{revision}"
        while True:
            found = self._ask(lambda: self._clients.revisions.get_revision(name=full, retry=None, timeout=api.TIMEOUT))
            condition = next((one for one in found.conditions if one.type_ == "Ready"), None)
            if condition and condition.state == STATE.CONDITION_SUCCEEDED:
                return
            if condition and condition.state == STATE.CONDITION_FAILED:
                raise Doubt(f"The revision {revision} failed: {condition.message or 'Cloud Run does not say why'}")
            if not pauses.again():
                raise Doubt(f"The revision {revision} was not ready after {seconds:g} s.")

    def _update(self, etag: str, targets: list[Target]) -> None:
        """Nothing happens when somebody else has changed the service since it was read."""
        service = run_v2.Service(name=self.name, etag=etag, traffic=[spelled(target) for target in targets])
        request = run_v2.UpdateServiceRequest(service=service, update_mask="traffic")
        with suppress(Conflict, PreconditionFailed):
            self._ask(lambda: self._clients.services.update_service(request=request, retry=None, timeout=api.TIMEOUT))

    def _observed(self, shares: Split, tag: Tag | None) -> None:
        pauses = Pauses(SETTLE)
        while True:
            now = self.read()
            tagged = tag is None or tag.name in now.tagged
            if now.settled and split(now.observed, now.latest_ready) == dict(shares) and tagged:
                return
            if not pauses.again():
                raise Doubt(f"{self.short} did not give {told(shares)} within {SETTLE:g} s. {now.message}".rstrip())

    def _ask(self, call: Callable[[], T]) -> T:
        try:
            return api.patiently(call, "Cloud Run")
        except Absent as error:
            raise NotFound(
                f"There is no {self.name}; apply Terraform first, and look at --project and --region."
            ) from error
        except Forbidden as error:
            raise CloudFailed(
                f"Cloud Run refuses {self.short}: the role roles/run.developer on it is needed."
            ) from error
        except (Conflict, PreconditionFailed):
            raise
        except GoogleAPICallError as error:
            raise CloudFailed(f"Cloud Run refuses {self.short}: {error.message}") from error


def state(found: Any) -> State:
    condition = found.terminal_condition
    return State(
        etag=found.etag,
        targets=tuple(target(one) for one in found.traffic),
        observed=tuple(target(one) for one in found.traffic_statuses),
        latest_ready=short(found.latest_ready_revision),
        latest_created=short(found.latest_created_revision),
        url=found.uri,
        tagged={one.tag: one.uri for one in found.traffic_statuses if one.tag and one.uri},
        settled=not found.reconciling and found.observed_generation == found.generation,
        message=condition.message if condition.state == STATE.CONDITION_FAILED else "",
        open=found.ingress in OPEN,
    )


def target(one: Any) -> Target:
    return Target(None if one.type_ == LATEST else short(one.revision), one.percent, one.tag)


def spelled(one: Target) -> run_v2.TrafficTarget:
    if one.revision is None:
        return run_v2.TrafficTarget(type_=LATEST, percent=one.percent, tag=one.tag)
    return run_v2.TrafficTarget(type_=BY_NAME, revision=one.revision, percent=one.percent, tag=one.tag)


def short(name: str) -> str:
    return name.rpartition("/")[2]
