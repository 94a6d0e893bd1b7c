"""The services of a fake Cloud Run: revisions, traffic, etags, and the slowness of the real one."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any

from google.cloud import run_v2
from google.protobuf import json_format

from contract.rollout.revisions import Revision

PARENT = "projects/p/locations/r"
STATE = run_v2.Condition.State
KIND = run_v2.TrafficTargetAllocationType


class Refused(Exception):
    """What the API answers instead: its status and its words."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass
class FakeService:
    """`slow` is how many readings it takes to settle after each change."""

    name: str
    base: str
    slow: int = 0
    revisions: dict[str, Revision] = field(default_factory=dict)
    traffic: list[run_v2.TrafficTarget] = field(default_factory=list)
    observed: list[run_v2.TrafficTarget] = field(default_factory=list)
    generation: int = 0
    etag: int = 0
    left: int = 0
    ever: set[str] = field(default_factory=set)  # which revisions have had traffic
    latest_ready: str = ""
    ingress: run_v2.IngressTraffic = run_v2.IngressTraffic.INGRESS_TRAFFIC_ALL

    @property
    def url(self) -> str:
        return f"{self.base}/url/{self.name}"

    @property
    def latest_created(self) -> str:
        return list(self.revisions)[-1]

    def deploy(self, revision: Revision, steal: bool = False) -> None:
        """`steal`: the traffic goes to the latest revision, as with all_traffic_on_latest_revision = true."""
        made = replace(revision, name=f"{self.name}-{len(self.revisions) + 1:05}-abc", probed=[])
        self.revisions[made.name] = made
        if not made.failed:
            self.latest_ready = made.name
        if steal or not self.traffic:
            self.traffic = [run_v2.TrafficTarget(type_=KIND.TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST, percent=100)]
        self.changed()

    def changed(self) -> None:
        self.generation += 1
        self.etag += 1
        self.left = self.slow
        if not self.left:
            self.settle()

    def settle(self) -> None:
        self.observed = list(self.traffic)
        self.ever |= self.shares().keys()

    def patch(self, body: dict[str, Any], mask: str) -> None:
        given = json_format.ParseDict(body, run_v2.Service.pb(run_v2.Service()))
        wanted = run_v2.Service.wrap(given)
        if mask != "traffic":
            raise Refused(400, f"the mask is {mask}: more than the traffic would be changed")
        if wanted.etag != str(self.etag):
            raise Refused(409, f"Conflict for resource '{self.name}': version '{wanted.etag}' is not the current one.")
        if sum(target.percent for target in wanted.traffic) != 100:
            raise Refused(400, "Traffic percents must add up to 100.")
        tags = [target.tag for target in wanted.traffic if target.tag]
        if len(set(tags)) != len(tags) or not all(re.fullmatch(r"[a-z][a-z0-9-]{2,30}", tag) for tag in tags):
            raise Refused(400, f"These tags do not do: {tags}.")
        for target in wanted.traffic:
            if target.revision and target.revision not in self.revisions:
                raise Refused(400, f"There is no revision {target.revision}.")
        self.traffic = list(wanted.traffic)
        self.changed()

    def read(self) -> dict[str, Any]:
        if self.left:
            self.left -= 1
            if not self.left:
                self.settle()
        full = f"{PARENT}/services/{self.name}"
        made = run_v2.Service(
            name=full,
            generation=self.generation,
            observed_generation=self.generation - bool(self.left),
            reconciling=bool(self.left),
            etag=str(self.etag),
            uri=self.url,
            ingress=self.ingress,
            traffic=self.traffic,
            traffic_statuses=[self.status(target) for target in self.observed],
            latest_created_revision=f"{full}/revisions/{self.latest_created}",
            latest_ready_revision=f"{full}/revisions/{self.latest_ready}",
        )
        return as_json(made)

    def status(self, target: run_v2.TrafficTarget) -> run_v2.TrafficTargetStatus:
        uri = f"{self.base}/url/{target.tag}---{self.name}" if target.tag else ""
        return run_v2.TrafficTargetStatus(
            type_=target.type_,
            revision=target.revision or self.latest_ready,
            percent=target.percent,
            tag=target.tag,
            uri=uri,
        )

    def revision(self, name: str) -> dict[str, Any]:
        found = self.revisions[name]
        if found.pending:
            found.pending -= 1
            condition = run_v2.Condition(type_="Ready", state=STATE.CONDITION_RECONCILING)
        elif found.failed:
            condition = run_v2.Condition(type_="Ready", state=STATE.CONDITION_FAILED, message=found.failed)
        else:
            condition = run_v2.Condition(type_="Ready", state=STATE.CONDITION_SUCCEEDED)
        full = f"{PARENT}/services/{self.name}/revisions/{name}"
        variables = [run_v2.EnvVar(name="MODEL_URI", value="gs://b/models/churn@champion")]
        if found.archive:
            variables.append(run_v2.EnvVar(name="SOURCE_ARCHIVE", value=found.archive))
        container = run_v2.Container(image=found.image, env=variables)
        return as_json(run_v2.Revision(name=full, conditions=[condition], containers=[container]))

    def shares(self) -> dict[str, int]:
        """Who gets how much now."""
        found: dict[str, int] = {}
        for target in self.observed:
            if target.percent:
                name = target.revision or self.latest_ready
                found[name] = found.get(name, 0) + target.percent
        return found

    def tags(self) -> dict[str, str]:
        return {target.tag: target.revision or self.latest_ready for target in self.observed if target.tag}

    def by_name(self) -> bool:
        return all(target.type_ == KIND.TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION for target in self.traffic)

    def take(self, shares: dict[str, int]) -> None:
        """Somebody else moves the traffic."""
        kind = KIND.TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION
        self.traffic = [run_v2.TrafficTarget(type_=kind, revision=name, percent=shares[name]) for name in shares]
        self.changed()


def as_json(message: Any) -> dict[str, Any]:
    found: dict[str, Any] = type(message).to_dict(message, preserving_proto_field_name=False)
    return found
