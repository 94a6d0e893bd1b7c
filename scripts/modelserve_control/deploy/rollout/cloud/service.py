"""A Cloud Run service: its state, and changes of its traffic that do not overwrite the changes of others."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from google.api_core.exceptions import Conflict, Forbidden, GoogleAPICallError, PreconditionFailed
from google.api_core.exceptions import NotFound as Absent
from google.cloud import run_v2
from google.cloud.run_v2.services.revisions.transports import RevisionsRestTransport
from google.cloud.run_v2.services.services.transports import ServicesRestTransport

from modelserve.core.errors import NotFound
from modelserve_control.common.services.polling import poll
from modelserve_control.deploy.rollout.cloud import api, traffic
from modelserve_control.deploy.rollout.cloud.api import MAX_PAUSE, MIN_PAUSE
from modelserve_control.deploy.rollout.cloud.traffic import Split, Tag, Target
from modelserve_control.deploy.rollout.errors import CandidateRejected, CloudFailed, TrafficMoved

T = TypeVar("T")

SETTLE_SECONDS = 180.0  # for Cloud Run to apply a change
LATEST = run_v2.TrafficTargetAllocationType.TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST
BY_NAME = run_v2.TrafficTargetAllocationType.TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION
STATE = run_v2.Condition.State
# terraform/functions.tf tells each revision in this variable from which archive it was built.
ARCHIVE: Final = "SOURCE_ARCHIVE"
# All other values are closed to callers outside of the service's network.
OPEN = (run_v2.IngressTraffic.INGRESS_TRAFFIC_UNSPECIFIED, run_v2.IngressTraffic.INGRESS_TRAFFIC_ALL)


@dataclass(frozen=True)
class State:
    """`targets` is what the service was told to do, `observed` what it does. Revisions by their short names."""

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
        return traffic.split(self.targets, self.latest_ready)


@dataclass(frozen=True)
class Code:
    """What a revision runs. `archive` is empty where the revision does not say it."""

    image: str
    archive: str

    def is_from(self, code: str) -> bool:
        return code in (self.archive, self.image, self.image.partition("@")[2])

    def __str__(self) -> str:
        return self.archive or self.image or "code without a name"


class Clients:
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
    def __init__(self, clients: Clients, name: str) -> None:
        self._clients = clients
        self.name = name
        self.short_name = short_name(name)

    def read(self) -> State:
        return parse_state(self._call(self._clients.services.get_service, name=self.name))

    def read_code(self, revision: str) -> Code:
        found = self._call(self._clients.revisions.get_revision, name=f"{self.name}/revisions/{revision}")
        container = next(iter(found.containers), run_v2.Container())
        archives = [one.value for one in container.env if one.name == ARCHIVE]
        return Code(container.image, archives[0] if archives else "")

    def wait_until_settled(self, seconds: float) -> State:
        for _ in poll(seconds, MIN_PAUSE, MAX_PAUSE):
            if (found := self.read()).settled:
                return found
        raise CandidateRejected(f"{self.short_name} was still changing after {seconds:g} s.")

    def move(
        self, shares: Split, tag: Tag | None, ours: str, allowed: Callable[[State], bool], check: Callable[[], object]
    ) -> None:
        """Sets `shares` of the traffic and the tag, by revision name. Changes nothing where they are set already.

        Raises TrafficMoved when the traffic is neither set nor `allowed`: somebody else has moved it. `check` is called
        before each change. `ours` is the tag that is replaced or removed.
        """
        for _ in poll(SETTLE_SECONDS, MIN_PAUSE, MAX_PAUSE):
            now = self.read()
            if traffic.is_applied(shares, tag, now.targets, ours):
                return self._wait_until_observed(shares, tag)
            if not allowed(now):
                raise self.moved_error(now)
            check()
            self._update(now.etag, traffic.build_targets(shares, tag, now.targets, ours))
        raise CloudFailed(f"The traffic of {self.short_name} could not be moved within {SETTLE_SECONDS:g} s.")

    def moved_error(self, now: State) -> TrafficMoved:
        message = f"Somebody else has moved the traffic of {self.short_name}: {traffic.describe(now.split)}. It stays like that."
        return TrafficMoved(message, self.short_name)

    def wait_until_ready(self, revision: str, seconds: float) -> None:
        name = f"{self.name}/revisions/{revision}"
        for _ in poll(seconds, MIN_PAUSE, MAX_PAUSE):
            found = self._call(self._clients.revisions.get_revision, name=name)
            condition = next((one for one in found.conditions if one.type_ == "Ready"), None)
            if condition and condition.state == STATE.CONDITION_SUCCEEDED:
                return
            if condition and condition.state == STATE.CONDITION_FAILED:
                raise CandidateRejected(
                    f"The revision {revision} failed: {condition.message or 'Cloud Run does not say why'}"
                )
        raise CandidateRejected(f"The revision {revision} was not ready after {seconds:g} s.")

    def _update(self, etag: str, targets: list[Target]) -> None:
        """Does nothing when somebody else has changed the service since it was read."""
        updated = [
            run_v2.TrafficTarget(
                type_=BY_NAME if one.revision else LATEST, revision=one.revision, percent=one.percent, tag=one.tag
            )
            for one in targets
        ]
        service = run_v2.Service(name=self.name, etag=etag, traffic=updated)
        request = run_v2.UpdateServiceRequest(service=service, update_mask="traffic")
        with suppress(Conflict, PreconditionFailed):
            self._call(self._clients.services.update_service, request=request)

    def _wait_until_observed(self, shares: Split, tag: Tag | None) -> None:
        for _ in poll(SETTLE_SECONDS, MIN_PAUSE, MAX_PAUSE):
            now = self.read()
            tagged = tag is None or tag.name in now.tagged
            if now.settled and traffic.split(now.observed, now.latest_ready) == dict(shares) and tagged:
                return
        raise CandidateRejected(
            f"{self.short_name} did not give {traffic.describe(shares)} within {SETTLE_SECONDS:g} s. {now.message}".rstrip()
        )

    def _call(self, call: Callable[..., T], **request: Any) -> T:
        try:
            return api.with_retries(partial(call, **request, retry=None, timeout=api.TIMEOUT_SECONDS), "Cloud Run")
        except Absent as error:
            raise NotFound(
                f"There is no {self.name}; apply Terraform first, and look at --project and --region."
            ) from error
        except Forbidden as error:
            raise CloudFailed(
                f"Cloud Run refuses {self.short_name}: the role roles/run.developer on it is needed."
            ) from error
        except (Conflict, PreconditionFailed):
            raise
        except GoogleAPICallError as error:
            raise CloudFailed(f"Cloud Run refuses {self.short_name}: {error.message}") from error


def parse_state(found: Any) -> State:
    condition = found.terminal_condition
    return State(
        etag=found.etag,
        targets=tuple(parse_target(one) for one in found.traffic),
        observed=tuple(parse_target(one) for one in found.traffic_statuses),
        latest_ready=short_name(found.latest_ready_revision),
        latest_created=short_name(found.latest_created_revision),
        url=found.uri,
        tagged={one.tag: one.uri for one in found.traffic_statuses if one.tag and one.uri},
        settled=not found.reconciling and found.observed_generation == found.generation,
        message=condition.message if condition.state == STATE.CONDITION_FAILED else "",
        open=found.ingress in OPEN,
    )


def parse_target(one: Any) -> Target:
    return Target(None if one.type_ == LATEST else short_name(one.revision), one.percent, one.tag)


def short_name(name: str) -> str:
    return name.rpartition("/")[2]
