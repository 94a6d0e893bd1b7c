"""The steps of a rollout. Each can run again, and leaves alone what is done already.

What was done is in the journal, and the traffic is read from Cloud Run each time. So another process can resume or roll
back wherever this one was killed.
"""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

from modelserve.core.errors import ArtifactCorrupt, ServeError, StoreUnavailable
from modelserve_control.common.errors import RolledBack
from modelserve_control.common.progress import Progress
from modelserve_control.deploy.rollout.checks import Candidate, Checker, Evidence
from modelserve_control.deploy.rollout.cloud.service import Code, Service, State
from modelserve_control.deploy.rollout.cloud.traffic import Split, Tag
from modelserve_control.deploy.rollout.errors import CandidateRejected, CloudFailed, TakenOver, TrafficMoved
from modelserve_control.deploy.rollout.journal import RolloutJournal
from modelserve_control.deploy.rollout.options import RolloutOptions

PROMOTED, ROLLED_BACK, ABORTED, LEFT = "promoted", "rolled back", "aborted", "left alone"
PINNED, DEPLOYED, ROLLING_BACK = "pinned", "deployed", "going back"

# The store cannot be used: the traffic is rolled back without the journal.
UNUSABLE: Final = (StoreUnavailable, ArtifactCorrupt)


@dataclass(frozen=True)
class Rollout:
    options: RolloutOptions
    journal: RolloutJournal
    services: Mapping[str, Service]
    checker: Checker
    progress: Progress

    def run(self) -> None:
        """From the first step that is not in the journal to the end. Raises RolledBack, TrafficMoved, TakenOver."""
        if error := self.resume_roll_back():
            raise error
        try:
            for name, step in self.steps():
                if not self.journal.step(name):
                    self.journal.add(name, **step())
            self.progress.say("Promote: all of the traffic by name, without the tag")
            evidence = self.promote()
        except TakenOver:
            raise
        except TrafficMoved as error:
            raise self.roll_back(LEFT, error.message, [error.service]) from error
        except BaseException as error:
            raise self.roll_back(ROLLED_BACK, reason(error)) from error
        self.journal.end(PROMOTED, "", PROMOTED, **evidence)

    def steps(self) -> Iterator[tuple[str, Callable[[], Evidence]]]:
        yield PINNED, self.pin
        yield DEPLOYED, self.deploy
        if not self.candidates:
            return
        yield "tagged", self.tag
        yield "smoked", self.smoke
        shares = self.journal.document["shares"]
        for before, share in zip((0, *shares), shares, strict=False):
            yield f"shifted {share}", partial(self.shift, before, share)

    def pin(self) -> Evidence:
        self.progress.say("Pin the revisions that serve now")
        for name in self.services:
            self.set_share(name, 0)
        return {"traffic": {name: self.split(name, 0) for name in self.services}}

    def deploy(self) -> Evidence:
        command = self.journal.document["deploy"]
        if command:
            self.progress.say(f"Deploy: {' '.join(command)}")
            if status := run_deploy(command):
                raise CandidateRejected(f"The deploy command ended with status {status}.")
        for name, service in self.services.items():
            now = service.wait_until_settled(self.options.ready)
            if now.split != self.split(name, 0):
                raise CandidateRejected(
                    f"The deploy command moved the traffic of {name}: "
                    "deploy with all_traffic_on_latest_revision = false, and with a provider that sends it."
                )
            known = self.journal.service(name)
            # Also one that was there before: a rollout that went back, or an apply by hand, left it without traffic.
            known["candidate"] = now.latest_created if now.latest_created != known["pinned"] else None
        if not self.candidates and not self.options.code:
            raise CandidateRejected(f"There is no new revision of {' or '.join(self.services)}: the newest serves.")
        for name, service in self.services.items():
            if name in self.candidates:
                service.wait_until_ready(self.journal.service(name)["candidate"], self.options.ready)
            else:
                self.progress.say(f"{name} has no new revision and stays as it is")
        return {
            "candidates": {name: self.journal.service(name)["candidate"] for name in self.candidates},
            "code": {name: str(self.check_code(name)) for name in self.services},
        }

    def check_code(self, name: str) -> Code:
        known = self.journal.service(name)
        revision = known["candidate"] or known["pinned"]
        found = self.services[name].read_code(revision)
        if self.options.code and not found.is_from(self.options.code):
            raise CandidateRejected(f"The revision {revision} has {found} instead of {self.options.code}.")
        return found

    def tag(self) -> Evidence:
        for name in self.candidates:
            self.set_share(name, 0)
        return {"tag": self.tag_name, "addresses": {one.service: one.tagged for one in self.read_candidates()}}

    def smoke(self) -> Evidence:
        self.progress.say("Smoke test the new revisions at their own addresses")
        candidates = self.read_candidates()
        for one in candidates:
            if not one.reachable:
                self.progress.say(f"{one.service} accepts requests only from its own network; --inside asks it anyway")
        return {"seen": {one.service: self.checker.smoke(one) for one in candidates}}

    def shift(self, before: int, share: int) -> Evidence:
        self.progress.say(f"Shift {share} % of the traffic, and watch for {self.options.watch:g} s")
        for name in self.candidates:
            self.set_share(name, share, before)
        return {"seen": self.checker.watch_share(self.read_candidates(), share, partial(self.check_unmoved, share))}

    def promote(self) -> Evidence:
        for name in self.candidates:
            self.set_share(name, 100, tagged=False)
        return {"traffic": {name: self.split(name, 100) for name in self.candidates}}

    def resume_roll_back(self) -> ServeError | None:
        begun = self.journal.step(ROLLING_BACK)
        return self.roll_back(begun["outcome"], begun["why"], begun["left"]) if begun else None

    def roll_back(self, outcome: str, why: str, left: list[str] | None = None) -> ServeError:
        """Puts the traffic back and ends the rollout, except for services in `left`, whose traffic somebody else has moved.

        Returns the error to raise. Raises TakenOver, and CloudFailed when it does not succeed; the rollout then stays open.
        """
        self.progress.say(f"Put the traffic back: {why}")
        for interrupt in (signal.SIGINT, signal.SIGTERM):
            signal.signal(interrupt, signal.SIG_IGN)  # a second one must not stop it halfway
        left = list(left or [])
        with suppress(*UNUSABLE):
            if not self.journal.step(ROLLING_BACK):
                self.journal.add(ROLLING_BACK, outcome=outcome, why=why, left=left)
        failed = []
        for name in [name for name in self.services if name not in left]:
            try:
                self.restore(name)
            except TakenOver:
                raise
            except TrafficMoved as error:
                left.append(name)
                why = f"{why} {error.message}"
            except (CandidateRejected, ServeError) as error:
                failed.append(reason(error))
        if failed:
            raise CloudFailed(f"{why} The traffic could not be put back; use --abort: {' '.join(failed)}")
        traffic = {name: self.split(name, 0) for name in self.services if name not in left}
        try:
            self.journal.end(LEFT if left else outcome, why, "back", traffic=traffic, left=left)
        except UNUSABLE as error:
            raise StoreUnavailable(
                f"The traffic is back where it was: {why} But the record could not be written: use --abort when the store answers."
            ) from error
        if left:
            return TrafficMoved(why, left[0])
        return RolledBack(f"The traffic is back where it was: {why}")

    def restore(self, name: str) -> None:
        known = self.journal.service(name)
        deploying = self.journal.step(PINNED) and not self.journal.step(DEPLOYED)

        def is_ours(now: State) -> bool:
            return bool(deploying) or set(now.split) <= {known["pinned"], known["candidate"]}

        def check() -> None:
            with suppress(*UNUSABLE):  # without the store no other process can have taken over
                self.journal.check()

        self.services[name].move(self.split(name, 0), None, self.tag_name, is_ours, check)

    # --- traffic ---

    @property
    def tag_name(self) -> str:
        return f"candidate-{self.journal.id[-4:]}"

    @property
    def candidates(self) -> list[str]:
        return [name for name in self.services if self.journal.service(name)["candidate"]]

    def split(self, name: str, share: int) -> Split:
        known = self.journal.service(name)
        shares = {known["pinned"]: 100 - share, known["candidate"]: share}
        return {revision: percent for revision, percent in shares.items() if percent}

    def set_share(self, name: str, share: int, before: int | None = None, tagged: bool = True) -> None:
        """Gives the candidate `share` percent, where it has that or `before` percent now. Raises TrafficMoved."""
        split = self.split(name, share)
        allowed = [split] if before is None else [split, self.split(name, before)]
        revision = self.journal.service(name)["candidate"]
        tag = Tag(self.tag_name, revision) if tagged and revision else None
        self.services[name].move(split, tag, self.tag_name, lambda now: now.split in allowed, self.journal.check)

    def check_unmoved(self, share: int) -> None:
        for name in self.candidates:
            now = self.services[name].read()
            if now.split != self.split(name, share):
                raise self.services[name].moved_error(now)

    def read_candidates(self) -> list[Candidate]:
        found = []
        for name in self.candidates:
            known, now = self.journal.service(name), self.services[name].read()
            if self.tag_name not in now.tagged:
                raise self.services[name].moved_error(now)
            addresses = (now.tagged[self.tag_name], now.url, now.open or self.options.inside)
            found.append(Candidate(name, known["name"], known["pinned"], known["candidate"], *addresses))
        return found


def run_deploy(command: Sequence[str]) -> int:
    """The exit status. The command's output goes to stderr. Raises CandidateRejected when it does not start."""
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr)
    except OSError as error:
        raise CandidateRejected(f"The deploy command does not start: {error.strerror}.") from error
    try:
        return process.wait()
    except BaseException:
        process.terminate()  # Terraform then ends cleanly and releases its lock
        process.wait()
        raise


def reason(error: BaseException) -> str:
    if isinstance(error, CandidateRejected):
        return str(error)
    if isinstance(error, ServeError):
        return error.message
    if isinstance(error, KeyboardInterrupt):
        return "The rollout was interrupted."
    return f"modelserve itself failed with {type(error).__name__}."
