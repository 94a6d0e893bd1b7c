"""The steps of a rollout. Each can be done again: what is so already is left as it is.

What was done is in the record, and who gets the traffic is asked of Cloud Run each time, so that another process can go
on, or go back, from wherever this one was killed.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Final

from modelserve.core.errors import ArtifactCorrupt, ServeError, StoreUnavailable
from modelserve_control.common.errors import RolledBack
from modelserve_control.common.progress import Progress
from modelserve_control.deploy.rollout.cloud.deploy import ran
from modelserve_control.deploy.rollout.cloud.service import Service, State
from modelserve_control.deploy.rollout.cloud.traffic import Split, Tag
from modelserve_control.deploy.rollout.errors import CloudFailed, Doubt, TakenOver, TrafficMoved
from modelserve_control.deploy.rollout.order import Order
from modelserve_control.deploy.rollout.record import Record
from modelserve_control.deploy.rollout.watch import Candidate, Watch

Evidence = dict[str, Any]
PROMOTED, BACK, ABORTED, LEFT = "promoted", "rolled back", "aborted", "left alone"
PINNED, DEPLOYED, GOING_BACK = "pinned", "deployed", "going back"

# A record that cannot be read or written, or is damaged: the traffic goes back without it.
UNUSABLE: Final = (StoreUnavailable, ArtifactCorrupt)


class Machine:
    def __init__(
        self, order: Order, record: Record, services: Mapping[str, Service], watch: Watch, progress: Progress
    ) -> None:
        self.order = order
        self.record = record
        self.services = services
        self.watch = watch
        self.progress = progress

    def run(self) -> None:
        """To the end, from the first step that is not in the record. Raises RolledBack, TrafficMoved, TakenOver."""
        if failure := self.returned():
            raise failure
        try:
            for name, step in self.steps():
                if not self.record.entry(name):
                    self.record.add(name, step())
            self.progress.say("Promote: all of the traffic by name, without the tag")
            evidence = self.promote()
        except TakenOver:
            raise
        except TrafficMoved as error:
            raise self.back(LEFT, error.message, [error.service]) from error
        except BaseException as error:
            raise self.back(BACK, reason(error)) from error
        self.record.end(PROMOTED, PROMOTED, "", evidence)

    def steps(self) -> Iterator[tuple[str, Callable[[], Evidence]]]:
        yield PINNED, self.pin
        yield DEPLOYED, self.deploy
        yield "tagged", self.tag
        yield "smoked", self.smoke
        shares = self.record.document["shares"]
        for before, share in zip((0, *shares), shares, strict=False):
            yield f"shifted {share}", partial(self.shift, before, share)

    def pin(self) -> Evidence:
        self.progress.say("Pin the revisions that serve now")
        for name in self.services:
            self.give(name, 0)
        return {"traffic": {name: self.shares(name, 0) for name in self.services}}

    def deploy(self) -> Evidence:
        """Runs the command, and finds what it made."""
        command = self.record.document["deploy"]
        if command:
            self.progress.say(f"Deploy: {' '.join(command)}")
            if status := ran(command):
                raise Doubt(f"The deploy command ended with status {status}.")
        for name, service in self.services.items():
            now = service.settled(self.order.ready)
            if now.split != self.shares(name, 0):
                raise Doubt(
                    f"The deploy command moved the traffic of {name}: "
                    "deploy with all_traffic_on_latest_revision = false, and with a provider that sends it."
                )
            known = self.record.service(name)
            before = known["newest"] if command else known["pinned"]
            self.record.found(name, now.latest_created if now.latest_created not in (before, known["pinned"]) else None)
        if not self.candidates:
            hint = "; without a command the newest one is rolled out" if command else ""
            raise Doubt(f"There is no new revision of {' or '.join(self.services)}{hint}.")
        for name, service in self.services.items():
            if name in self.candidates:
                service.ready(self.record.service(name)["candidate"], self.order.ready)
            else:
                self.progress.say(f"{name} has no new revision and stays as it is")
        return {"candidates": {name: self.record.service(name)["candidate"] for name in self.candidates}}

    def tag(self) -> Evidence:
        for name in self.candidates:
            self.give(name, 0)
        return {"tag": self.tag_name, "addresses": {one.service: one.tagged for one in self.on_trial()}}

    def smoke(self) -> Evidence:
        self.progress.say("Smoke test the new revisions at their own addresses")
        trial = self.on_trial()
        for one in trial:
            if not one.reachable:
                self.progress.say(f"{one.service} takes requests from its own network only: --inside would ask it")
        return {"seen": {one.service: self.watch.smoke(one) for one in trial}}

    def shift(self, before: int, share: int) -> Evidence:
        self.progress.say(f"Shift {share} % of the traffic, and watch for {self.order.watch:g} s")
        for name in self.candidates:
            self.give(name, share, before)
        return {"seen": self.watch.share(self.on_trial(), share, partial(self.unmoved, share))}

    def promote(self) -> Evidence:
        for name in self.candidates:
            self.give(name, 100, tagged=False)
        return {"traffic": {name: self.shares(name, 100) for name in self.candidates}}

    def returned(self) -> ServeError | None:
        """Goes on going back, where that was begun; what to raise."""
        going = self.record.entry(GOING_BACK)
        return self.back(going["outcome"], going["why"], going["left"]) if going else None

    def back(self, outcome: str, why: str, left: list[str] | None = None) -> ServeError:
        """Gives the traffic back and ends the rollout; what to raise. Services that somebody else moved are `left` alone.

        Raises TakenOver, and CloudFailed when it does not succeed; the rollout is then still under way.
        """
        self.progress.say(f"Put the traffic back: {why}")
        for interrupt in (signal.SIGINT, signal.SIGTERM):
            signal.signal(interrupt, signal.SIG_IGN)  # an impatient second one must not leave it halfway
        left = list(left or [])
        with suppress(*UNUSABLE):  # the traffic comes first
            if not self.record.entry(GOING_BACK):
                self.record.add(GOING_BACK, {"outcome": outcome, "why": why, "left": left})
        failed = []
        for name in [name for name in self.services if name not in left]:
            try:
                self.return_all(name)
            except TakenOver:
                raise
            except TrafficMoved as error:
                left.append(name)
                why = f"{why} {error.message}"
            except (Doubt, ServeError) as error:
                failed.append(reason(error))
        if failed:
            raise CloudFailed(f"{why} And the traffic could not be put back, so say --abort: {' '.join(failed)}")
        traffic = {name: self.shares(name, 0) for name in self.services if name not in left}
        try:
            self.record.end("back", LEFT if left else outcome, why, {"traffic": traffic, "left": left})
        except UNUSABLE as error:
            raise StoreUnavailable(
                f"The traffic is back where it was: {why} But the record could not be written: say --abort when the store answers."
            ) from error
        if left:
            return TrafficMoved(why, left[0])
        return RolledBack(f"The traffic is back where it was: {why}")

    def return_all(self, name: str) -> None:
        """Whatever this rollout or its deploy command has done to the traffic of a service. Raises TrafficMoved."""
        known = self.record.service(name)
        deploying = self.record.entry(PINNED) and not self.record.entry(DEPLOYED)

        def ours(now: State) -> bool:
            return bool(deploying) or set(now.split) <= {known["pinned"], known["candidate"]}

        def check() -> None:
            # Without the store nobody else can have taken over, and started anew, with this candidate.
            with suppress(*UNUSABLE):
                self.record.check()

        self.services[name].move(self.shares(name, 0), None, self.tag_name, ours, check)

    # --- traffic ---

    @property
    def tag_name(self) -> str:
        return f"candidate-{self.record.id[-4:]}"

    @property
    def candidates(self) -> list[str]:
        """The services that have one."""
        return [name for name in self.services if self.record.service(name)["candidate"]]

    def shares(self, name: str, share: int) -> Split:
        known = self.record.service(name)
        shares = {known["pinned"]: 100 - share, known["candidate"]: share}
        return {revision: percent for revision, percent in shares.items() if percent}

    def give(self, name: str, share: int, before: int | None = None, tagged: bool = True) -> None:
        """So much of the traffic to the candidate of a service, which has that already, or what it had `before`."""
        shares = self.shares(name, share)
        allowed = [shares] if before is None else [shares, self.shares(name, before)]
        revision = self.record.service(name)["candidate"]
        tag = Tag(self.tag_name, revision) if tagged and revision else None
        self.services[name].move(shares, tag, self.tag_name, lambda now: now.split in allowed, self.record.check)

    def unmoved(self, share: int) -> None:
        """Raises TrafficMoved."""
        for name in self.candidates:
            service = self.services[name]
            now = service.read()
            if now.split != self.shares(name, share):
                raise service.moved(now)

    def on_trial(self) -> list[Candidate]:
        made = []
        for name in self.candidates:
            known, now = self.record.service(name), self.services[name].read()
            if self.tag_name not in now.tagged:
                raise self.services[name].moved(now)
            addresses = (now.tagged[self.tag_name], now.url, now.open or self.order.inside)
            function = self.order.function(name)
            made.append(Candidate(name, known["name"], function, known["pinned"], known["candidate"], *addresses))
        return made


def reason(error: BaseException) -> str:
    if isinstance(error, Doubt):
        return error.reason
    if isinstance(error, ServeError):
        return error.message
    if isinstance(error, KeyboardInterrupt):
        return "The rollout was interrupted."
    return f"modelserve itself failed with {type(error).__name__}."
