"""A version on its way to an alias: checked, compared, promoted, watched, and taken back when it does not answer well.

Every step is noted in the store when it is done, so the same command goes on where a stopped one ended.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, NoReturn

from msgspec.structs import asdict

from modelserve.core.errors import BadSetting, PreconditionFailed, ServeError
from modelserve.store.buckets.objects import Objects
from modelserve.store.names.locations import check_alias
from modelserve.store.versions.alias import Alias, read_alias
from modelserve.store.versions.manifest import Manifest
from modelserve_control.common.errors import BeyondThresholds, RolledBack
from modelserve_control.common.processes import checkout
from modelserve_control.common.progress import Progress
from modelserve_control.compare import run as comparison
from modelserve_control.compare.stats.thresholds import Thresholds
from modelserve_control.deploy.doctor import doctor
from modelserve_control.deploy.release import record as release_record
from modelserve_control.deploy.release import shadow as release_shadow
from modelserve_control.deploy.release import watch as release_watch
from modelserve_control.deploy.release.record import Record
from modelserve_control.registry import catalog
from modelserve_control.registry.promote import move, next_alias, promote

CHALLENGER: Final = "challenger"
WIDTH: Final = 78


@dataclass(frozen=True)
class Order:
    """`urls` are running services that answer with the alias. Times in seconds; without `shadow` nothing is shadowed."""

    name: str
    version: str
    store: str
    data: str
    thresholds: Path
    alias: str = "champion"
    by: str | None = None
    urls: tuple[str, ...] = ()
    arrive: float = 120.0
    watch: float = 60.0
    max_error_ratio: float = 0.0
    token_command: str | None = None
    trust: str = "strict"
    reason: str = ""
    shadow: float | None = None
    shadow_subscription: str | None = None
    shadow_answers: int = 100


def release(objects: Objects, order: Order, progress: Progress, root: Path | None = None) -> dict[str, Any]:
    """The record. `root` is the checkout that the functions are built from.

    Raises BeyondThresholds, NothingShadowed, RolledBack, and whatever else a step refuses with; the record says so too.
    """
    root = root or checkout()
    if check_alias(order.alias) == CHALLENGER:
        raise BadSetting(f"A release goes through the alias {CHALLENGER}; name another one with --alias.")
    comparison.limits_of(order.thresholds, order.by)  # a mistake there is told before anything is begun
    release_shadow.check(order.shadow, order.shadow_subscription)
    manifest = catalog.manifest(objects, order.name, order.version)
    record = release_record.unfinished(objects, order.name, order.version, order.alias)
    if record is None:
        found = read_alias(objects, order.name, order.alias)
        if found and (found[0].version, found[0].manifest_sha256) == (manifest.version, manifest.digest):
            raise PreconditionFailed(f"The alias {order.alias} of {order.name} names version {order.version} already.")
        record = begun(objects, order, manifest, found)
    else:
        if order.shadow is None and "shadow" in record.document and record.done("shadow") is None:
            raise BadSetting(f"The release {record.id} is shadowing: go on with --shadow, for less time if you like.")
        progress.say(f"Go on with the release {record.id}, begun {record.document['started_at']}")
    try:
        return Release(objects, order, manifest, record, progress).run(root)
    except ServeError as error:
        # Once it is promoted it is not refused any more: whatever stops the watch, the same command goes on with it.
        if not error.retryable and record.document["outcome"] is None and record.done("promote") is None:
            record.end("refused", error.message)
        raise


def begun(objects: Objects, order: Order, manifest: Manifest, found: tuple[Alias, int] | None) -> Record:
    """Knows what the alias says now: whatever else it says later, somebody else moved it."""
    now, generation = found or (None, 0)
    return release_record.create(
        objects,
        order.name,
        order.version,
        manifest_sha256=manifest.digest,
        alias=order.alias,
        reason=order.reason,
        before={"version": now and now.version, "generation": generation},
    )


class Release:
    def __init__(self, objects: Objects, order: Order, manifest: Manifest, record: Record, progress: Progress) -> None:
        self.objects = objects
        self.order = order
        self.manifest = manifest
        self.record = record
        self.progress = progress

    def run(self, root: Path) -> dict[str, Any]:
        for step, action in (
            ("check", partial(self.check, root)),
            ("compare", self.compare),
            ("challenger", self.challenger),
            ("shadow", self.shadow),
            ("promote", self.promote),
        ):
            # Beside a version that is in use itself there is nothing to compare it with.
            wanted = step != "shadow" or (self.order.shadow is not None and self.record.done("promote") is None)
            if wanted and self.record.done(step) is None:
                self.record.add(step, **action())
        if regressed := self.record.done("regressed"):
            self.roll_back(f"{regressed['url']}: {regressed['reason']}")
        for url in self.order.urls:
            self.watch(url)
        self.record.end("promoted", f"version {self.order.version} answers well" if self.order.urls else "not watched")
        return self.record.document

    @property
    def before(self) -> str | None:
        """The version that the alias named when the release was begun."""
        version: str | None = self.record.document["before"]["version"]
        return version

    def check(self, root: Path) -> dict[str, Any]:
        with self.line("Check that the functions can load it"):
            found = doctor(self.objects, f"{self.order.name}/{self.order.version}", root)
        return {"requirements": found["requirements"], "differences": found["differences"]}

    def compare(self) -> dict[str, Any]:
        order = self.order
        if self.before is None:
            self.progress.say(f"Nothing to compare with: {order.name} has no alias {order.alias}")
            return {"with": None}
        wanted = comparison.Order(
            order.name,
            self.before,
            order.version,
            order.data,
            store=order.store,
            by=order.by,
            thresholds=order.thresholds,
            trust=order.trust,
        )
        with self.line(f"Compare with version {self.before}, the {order.alias}"):
            found = comparison.compare(wanted, self.progress)
            if not found["within"]:
                raise BeyondThresholds(
                    f"Version {order.version} of {order.name} differs from version {self.before} by more than "
                    f"{order.thresholds.name} allows; {order.alias} was not moved.",
                    found["breaches"],
                )
        return {"with": self.before, **{key: found[key] for key in ("rows", "compared", "refused", "schema")}}

    def challenger(self) -> dict[str, Any]:
        with self.line(f"Name it {CHALLENGER}"):
            moved = promote(self.objects, self.order.name, self.order.version, CHALLENGER, self.record.mark)
        return {"previous_version": moved["previous_version"]}

    def shadow(self) -> dict[str, Any]:
        order = self.order
        if self.before is None or order.shadow is None or order.shadow_subscription is None:
            self.progress.say(f"Nothing to shadow: {order.name} has no alias {order.alias}")
            return {"with": None}
        wanted = release_shadow.Wanted(
            order.name,
            self.before,
            order.version,
            self.manifest.digest,
            order.shadow_subscription,
            order.shadow,
            order.shadow_answers,
        )
        limits = comparison.limits_of(order.thresholds, order.by) or Thresholds()
        with self.line(f"Shadow version {self.before} for {order.shadow:g} s"):
            heard = release_shadow.listen(self.record, wanted, limits)
            release_shadow.judge(heard, wanted, limits)
        said = release_shadow.sentence(heard)
        self.progress.say(f"    {said}")
        return {"with": self.before, "shadows": len(heard.shadows), "said": said, **asdict(heard.total())}

    def promote(self) -> dict[str, Any]:
        """On condition that the alias still says what was compared with. Raises PreconditionFailed naming the winner."""
        order = self.order
        found = read_alias(self.objects, order.name, order.alias)
        with self.line(f"Promote version {order.version} to {order.alias}"):
            if not self.ours(found):  # else a process that was stopped between the write and its note has done it
                moved = next_alias(found and found[0], order.version, self.manifest.digest, self.why())
                move(self.objects, order.name, order.alias, moved, self.record.document["before"]["generation"])
        return {"alias": order.alias}

    def ours(self, found: tuple[Alias, int] | None) -> bool:
        """Whether the alias is as this release has written it."""
        return found is not None and found[0].version == self.order.version and found[0].reason == self.why()

    def why(self) -> str:
        return f"{self.record.mark}: {self.order.reason}" if self.order.reason else self.record.mark

    def watch(self, url: str) -> None:
        order = self.order
        with self.line(f"Watch {url}") as failed:
            found = release_watch.watch(
                url, self.manifest, order.token_command, order.arrive, order.watch, order.max_error_ratio
            )
            if found.reason is not None:
                failed.append(found.reason)
        if found.reason is None:
            self.record.add("watch", url=url, **vars(found))
            return
        self.record.add("regressed", url=url, **vars(found))
        self.roll_back(f"{url}: {found.reason}")

    def roll_back(self, reason: str) -> NoReturn:
        """Only what this release has written: somebody else's later move stays. Raises RolledBack."""
        name, alias = self.order.name, self.order.alias
        why = f"{self.record.mark}: {reason}"
        current, generation = catalog.alias(self.objects, name, alias)
        if current.reason != why:  # else a process that was stopped between the write and its note has done it
            if not self.ours((current, generation)):
                self.record.end("regressed", reason)
                raise PreconditionFailed(
                    f"{reason}. It is not rolled back: {current.updated_by} moved {alias} of {name} to version "
                    f"{current.version} at {current.updated_at}."
                )
            if current.previous_version is None or current.previous_manifest_sha256 is None:
                self.record.end("regressed", reason)
                raise RolledBack(f"{reason}. {alias} of {name} still names it: there is no version before it.")
            back = next_alias(current, current.previous_version, current.previous_manifest_sha256, why)
            with self.line(f"Roll {alias} back to version {back.version}"):
                move(self.objects, name, alias, back, generation)
        self.record.end("rolled back", reason)
        raise RolledBack(f"{reason}. {alias} of {name} names version {self.before} again.")

    @contextmanager
    def line(self, what: str) -> Iterator[list[str]]:
        """One line when it is done, and how long it took. It failed when it raises, or puts a reason into the list."""
        started = time.monotonic()
        ended, reasons = "failed", list[str]()
        try:
            yield reasons
            ended = "failed" if reasons else "done"
        finally:
            took = f" {ended}, {time.monotonic() - started:.1f} s"
            self.progress.say(f"{what} {'.' * max(3, WIDTH - len(what) - 1 - len(took))}{took}")
