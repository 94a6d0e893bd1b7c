"""The steps of a release, in order. Each is in the journal once it is done, and is then not repeated."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn, cast

from msgspec.structs import asdict

from modelserve.core.errors import PreconditionFailed, VersionRefused
from modelserve.store.buckets.objects import Objects
from modelserve.store.versions.alias import Alias, read_alias
from modelserve.store.versions.manifest import Manifest
from modelserve_control.common.errors import BeyondThresholds, NothingCompared, RolledBack
from modelserve_control.common.progress import Progress
from modelserve_control.common.services.client import ServiceClient
from modelserve_control.common.services.identity import Identity, anonymous, token_source
from modelserve_control.compare import run as comparison
from modelserve_control.deploy.doctor import doctor, find_version
from modelserve_control.deploy.release import shadow
from modelserve_control.deploy.release.journal import ReleaseJournal
from modelserve_control.deploy.release.options import CHALLENGER, ReleaseOptions
from modelserve_control.deploy.release.shadow import ShadowCriteria
from modelserve_control.deploy.release.watch import TIMEOUT_SECONDS, Watch
from modelserve_control.registry import catalog, history
from modelserve_control.registry.promote import earlier_alias, move, next_alias, promote

WIDTH: Final = 78
Evidence = dict[str, Any]


@dataclass(frozen=True)
class Release:
    objects: Objects
    options: ReleaseOptions
    manifest: Manifest
    journal: ReleaseJournal
    progress: Progress
    root: Path

    def steps(self) -> dict[str, Callable[[], Evidence]]:
        """Each raises when the version fails it, or returns evidence for the journal. A new check goes before `promote`."""
        steps = {
            "check": self.check,
            "compare": self.compare,
            "challenger": self.name_challenger,
            "shadow": self.shadow,
            "promote": self.promote,
        }
        # A version that is in use has no version to be shadowed beside.
        if self.options.shadow is None or self.journal.step("promote"):
            del steps["shadow"]
        return steps

    def run(self) -> dict[str, Any]:
        for name, step in self.steps().items():
            if self.journal.step(name) is None:
                self.journal.add(name, **step())
        if regressed := self.journal.step("regressed"):
            self.roll_back(f"{regressed['url']}: {regressed['reason']}")
        for url in self.options.urls:
            self.watch(url)
        watched = f"version {self.options.version} answers well" if self.options.urls else "not watched"
        self.journal.end("promoted", watched)
        return self.journal.document

    @property
    def before(self) -> str | None:
        return cast(str | None, self.journal.document["before"]["version"])

    @property
    def reason(self) -> str:
        return f"{self.journal.reason}: {self.options.reason}" if self.options.reason else self.journal.reason

    def check(self) -> Evidence:
        with self.report("Check that the functions can load it"):
            subject = find_version(self.objects, f"{self.options.name}/{self.options.version}")
            if subject.strict_refuses and self.options.trust == "strict":
                raise VersionRefused(subject.strict_refuses)
            found = doctor(subject, self.root)
        return {"requirements": found["requirements"], "differences": found["differences"]}

    def compare(self) -> Evidence:
        options = self.options
        if self.before is None:
            self.progress.say(f"Nothing to compare with: {options.name} has no alias {options.alias}")
            return {"with": None}
        request = comparison.CompareOptions(
            options.name,
            self.before,
            options.version,
            options.data,
            store=options.store,
            by=options.by,
            target=options.target,
            thresholds=options.thresholds,
            trust=options.trust,
        )
        with self.report(f"Compare with version {self.before}, the {options.alias}"):
            try:
                found = comparison.compare(request, self.progress)
            except NothingCompared as error:
                raise NothingCompared(
                    f"{error.message} A is version {self.before}, which {options.alias} names, and B is {options.version}: "
                    "give rows with the columns of both, or move the alias without a comparison by `modelserve promote`."
                ) from error
            if breaking := describe_breaking(found["schema"]):
                self.progress.say(
                    f"    warning: requests that fit version {self.before} may not fit {options.version}: {breaking}"
                )
            if not found["within"]:
                raise BeyondThresholds(
                    f"Version {options.version} of {options.name} does not pass {options.thresholds.name} against version "
                    f"{self.before}; {options.alias} was not moved. `modelserve compare` shows both: A is version "
                    f"{self.before}, B is {options.version}.",
                    found["breaches"],
                )
        return {"with": self.before, **{key: found[key] for key in ("rows", "compared", "refused", "schema", "target")}}

    def name_challenger(self) -> Evidence:
        with self.report(f"Name it {CHALLENGER}"):
            moved = promote(self.objects, self.options.name, self.options.version, CHALLENGER, self.journal.reason)
        return {"previous_version": moved["previous_version"]}

    def shadow(self) -> Evidence:
        options = self.options
        if self.before is None or options.shadow is None or options.shadow_subscription is None:
            self.progress.say(f"Nothing to shadow: {options.name} has no alias {options.alias}")
            return {"with": None}
        criteria = ShadowCriteria(
            options.name,
            self.before,
            options.version,
            self.manifest.digest,
            options.shadow_subscription,
            options.shadow,
            options.shadow_answers,
        )
        with self.report(f"Shadow version {self.before} for {options.shadow:g} s"):
            counts = shadow.collect(self.journal, criteria, options.limits())
            shadow.check(counts, criteria, options.limits())
        self.progress.say(f"    {counts}")
        return {"with": self.before, "shadows": len(counts.shadows), "said": str(counts), **asdict(counts.total())}

    def promote(self) -> Evidence:
        """Only while the alias names the version that was compared. Raises PreconditionFailed naming who moved it."""
        name, alias, before = self.options.name, self.options.alias, self.journal.document["before"]
        found = read_alias(self.objects, name, alias)
        with self.report(f"Promote version {self.options.version} to {alias}"):
            if not self.is_own_write(found):  # else a process stopped between moving the alias and writing the journal
                moved = next_alias(found and found[0], self.options.version, self.manifest.digest, self.reason)
                move(self.objects, name, alias, moved, before["generation"])
        return {"alias": alias}

    def is_own_write(self, found: tuple[Alias, int] | None) -> bool:
        return found is not None and found[0].version == self.options.version and found[0].reason == self.reason

    def watch(self, url: str) -> None:
        options = self.options
        identity = Identity(token_source(options.token_command, anonymous), url)
        with (
            self.report(f"Watch {url}") as failures,
            ServiceClient(url, identity, timeout=TIMEOUT_SECONDS) as client,
        ):
            found = Watch(client, self.manifest).run(options.arrive, options.watch, options.max_error_ratio)
            if found.reason is not None:
                failures.append(found.reason)
        self.journal.add("regressed" if found.reason else "watch", url=url, **vars(found))
        if found.reason is not None:
            self.roll_back(f"{url}: {found.reason}")

    def roll_back(self, why: str) -> NoReturn:
        """Undoes only what this release has written. Raises RolledBack, or PreconditionFailed where somebody else has moved
        the alias since."""
        name, alias = self.options.name, self.options.alias
        reason = f"{self.journal.reason}: {why}"
        current, generation = catalog.alias(self.objects, name, alias)
        if current.reason != reason:  # else a process stopped between moving the alias and writing the journal
            if not self.is_own_write((current, generation)):
                self.journal.end("regressed", why)
                raise PreconditionFailed(
                    f"{why}. It is not rolled back: {current.updated_by} moved {alias} of {name} to version "
                    f"{current.version} at {current.updated_at}."
                )
            before = history.promotions(current)[:-1]
            if not before:
                self.journal.end("regressed", why)
                raise RolledBack(f"{why}. {alias} of {name} still names it: there is no version before it.")
            back = earlier_alias(current, before[-1], reason)
            with self.report(f"Roll {alias} back to version {back.version}"):
                move(self.objects, name, alias, back, generation)
        self.journal.end("rolled back", why)
        challenger = f"{CHALLENGER} still names version {self.options.version}, so that you can inspect it"
        raise RolledBack(f"{why}. {alias} of {name} names version {self.before} again; {challenger}.")

    @contextmanager
    def report(self, what: str) -> Iterator[list[str]]:
        """Prints one line at the end, with the time taken. The block failed if it raises or appends a reason to the list."""
        started = time.monotonic()
        ended, failures = "failed", list[str]()
        try:
            yield failures
            ended = "failed" if failures else "done"
        finally:
            took = f" {ended}, {time.monotonic() - started:.1f} s"
            self.progress.say(f"{what} {'.' * max(3, WIDTH - len(what) - 1 - len(took))}{took}")


def describe_breaking(changes: Sequence[Mapping[str, Any]]) -> str:
    """What callers must change, and which threshold refuses it; empty if there is nothing."""
    found = [
        f"{one['what']} ({one['a'] or 'none'} before, {one['b'] or 'none'} now)" for one in changes if one["breaking"]
    ]
    return f"{'; '.join(found)}. `schema: compatible` in the thresholds refuses it." if found else ""
