"""What is known of the version in use: when it was trained, and how its answers and its inputs have fared since."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from modelserve.core.errors import BadSetting
from modelserve.store.buckets.objects import Objects
from modelserve.store.versions.alias import Alias, read_alias
from modelserve.store.versions.manifest import Manifest
from modelserve_control.common.errors import NothingCompared
from modelserve_control.common.progress import Progress
from modelserve_control.compare.stats.target import GAINS
from modelserve_control.deploy.release.journal import Document, object_name
from modelserve_control.monitor.drift import DriftOptions, measure_drift, take
from modelserve_control.monitor.evaluate import EvaluateOptions, evaluate
from modelserve_control.monitor.scoring import score_columns
from modelserve_control.monitor.stats.answers import PREDICTION, read_answers
from modelserve_control.monitor.stats.quality import measure
from modelserve_control.monitor.stats.windows import group_by_time, window_end
from modelserve_control.monitor.tables import Columns, read_columns, read_times
from modelserve_control.registry import catalog, version_ref
from modelserve_control.registry.documents import read
from modelserve_control.retrain import journal as journals
from modelserve_control.retrain.decide import DriftWindow, ErrorWindow, History
from modelserve_control.retrain.policy import DriftSection, ErrorSection, Policy, name_keys

RELEASED: Final = re.compile(r"release ([^:\s]+)")  # the reason of an alias that a release has moved
Score = Callable[[Columns, int], Columns]


@dataclass(frozen=True)
class Observer:
    objects: Objects
    name: str
    alias: str
    store: str
    trust: str
    progress: Progress

    def history(self, policy: Policy) -> History:
        now = datetime.now(UTC)
        found = read_alias(self.objects, self.name, self.alias)
        if found is None:
            return History(now, None)
        manifest = catalog.manifest(self.objects, self.name, found[0].version)
        published = parse_time(manifest.provenance["published_at"])
        since = self.last_training(published)
        error, drift = policy.error, policy.drift
        errors: tuple[ErrorWindow, ...] = ()
        drifts: tuple[DriftWindow, ...] = ()
        unmeasured: dict[str, str] = {}
        if error:
            with note_unmeasured(unmeasured, "error", ErrorSection):
                errors = tuple(self.errors(error, manifest, published, since))
        if drift:
            with note_unmeasured(unmeasured, "drift", DriftSection):
                drifts = tuple(self.drifts(drift, since))
        released_error = self.released_error(found[0], error) if error else None
        return History(now, since, released_error, errors, drifts, unmeasured)

    def last_training(self, published: datetime) -> datetime:
        """Also one whose version was not released: else the same data would be trained on again each night."""
        last = journals.read_current(self.objects, self.name)
        if last is None or not any(step["step"] == "publish" for step in last["steps"]):
            return published
        return max(published, parse_time(last["started_at"]))

    def released_error(self, alias: Alias, section: ErrorSection) -> float | None:
        """None for a version that was promoted without a comparison."""
        named = RELEASED.match(alias.reason)
        found = read(self.objects, object_name(self.name, named[1]), Document) if named else None
        steps: list[Any] = found[0]["steps"] if found else []
        for step in steps:
            if step["step"] == "compare" and step.get("target"):
                return as_error(section.figure, step["target"]["b"]["figures"].get(section.figure))
        return None

    def errors(
        self, section: ErrorSection, manifest: Manifest, published: datetime, since: datetime
    ) -> Iterator[ErrorWindow]:
        for window, version, found in self.measure_errors(section, manifest, published):
            end = window_end(window, section.window)
            if version == manifest.version and end > published:
                error = as_error(section.figure, found["figures"].get(section.figure))
                yield ErrorWindow(window, found["rows"], error, fresh=end > since)

    def measure_errors(
        self, section: ErrorSection, manifest: Manifest, published: datetime
    ) -> Iterator[tuple[str, str, Any]]:
        if section.log is not None:
            options = EvaluateOptions(
                self.name,
                tuple(section.log),
                tuple(section.labels or ()),
                section.key or "",
                section.target,
                section.window,
            )
            parts = evaluate(self.objects, options, self.progress)["parts"]
            yield from ((part["window"], part["version"], part) for part in parts)
            return
        address = version_ref.version_uri(f"{self.name}/{manifest.version}", self.store)
        positive = (manifest.presentation or {}).get("positive_class")

        def score(columns: Columns, rows: int) -> Columns:
            return score_columns(address, self.trust, columns, rows, self.progress)

        columns, _ = read_columns(section.data or (), self.progress)
        for window, found in measure_table(section, columns, published, score, positive):
            yield window, manifest.version, found

    def drifts(self, section: DriftSection, since: datetime) -> Iterator[DriftWindow]:
        options = DriftOptions(
            self.name,
            tuple(section.data),
            self.store,
            self.alias,
            section.window,
            section.time,
            trust=self.trust,
            since=since,
        )
        for one in measure_drift(self.objects, options, self.progress)["windows"]:
            yield DriftWindow(one["window"], tuple(one["drifted"]))


@contextmanager
def note_unmeasured(unmeasured: dict[str, str], rule: str, shape: type) -> Iterator[None]:
    try:
        with name_keys(rule, shape):
            yield
    except NothingCompared as error:
        unmeasured[rule] = error.message.removesuffix(".")


def measure_table(
    section: ErrorSection, columns: Columns, since: datetime, score: Score, positive: str | None
) -> Iterator[tuple[str, Any]]:
    """The figures of each window that ends after `since`, of rows that have their truth beside them. No others are scored."""
    windows = list(cut_windows(section, columns, since))
    recent = take(columns, [row for _, places in windows for row in places])
    rows = len(recent[section.target])
    if rows and PREDICTION not in recent:
        recent |= score(recent, rows)
    end = 0
    for window, places in windows:
        start, end = end, end + len(places)
        part = take(recent, list(range(start, end)))
        if answers := read_answers(part):
            yield window, measure(part[section.target], answers, positive)


def cut_windows(
    section: ErrorSection, columns: Columns, since: datetime | None = None
) -> Iterator[tuple[str, list[int]]]:
    """Raises BadSetting."""
    if section.target not in columns:
        raise BadSetting(f"The data of error has no column {section.target}; it has {', '.join(columns)}.")
    return group_by_time(read_times(columns, section.time or ""), section.window, since)


def as_error(figure: str, value: float | None) -> float | None:
    """Less is better."""
    return 1 - value if value is not None and figure in GAINS else value


def parse_time(text: str) -> datetime:
    return datetime.fromisoformat(text)
