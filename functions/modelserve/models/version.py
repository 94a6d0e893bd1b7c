"""A loaded version: its runtime, the leases of its requests, and how long each step of loading took."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, NotRequired, TypedDict
from urllib.parse import quote

import msgspec

from modelserve.core import memory
from modelserve.core.errors import ServeError
from modelserve.models.protocols import Runtime, Scorer
from modelserve.payloads.decode import BodyDecoder
from modelserve.payloads.predictions import Presentation, label_text
from modelserve.schema.batch import Batch
from modelserve.schema.signature import Signature
from modelserve.store.download.cache import LocalCopy

logger = logging.getLogger(__name__)

UNVERSIONED = "unversioned"  # a directory without a manifest


class Leases:
    def __init__(self) -> None:
        self._count = 0
        self._is_awaited = self._is_closed = False
        self._lock = threading.Lock()  # used directly where nobody is notified: a Condition's methods are Python
        self._changed = threading.Condition(self._lock)

    def enter(self) -> bool:
        with self._lock:
            if self._is_closed:
                return False
            self._count += 1
            return True

    def leave(self) -> None:
        with self._lock:
            self._count -= 1
            if self._is_awaited and not self._count:
                self._changed.notify_all()

    def close(self) -> None:
        with self._lock:
            self._is_awaited = True
            self._changed.wait_for(lambda: self._count == 0)
            self._is_closed = True


class LoadedRuntime(TypedDict):
    """What loading a version with one of the runtimes gives: fields of `Loaded`."""

    runtime: Runtime
    scorer: Scorer
    signature: Signature | None
    decoder: BodyDecoder
    environment: Mapping[str, Any]
    run_id: str | None
    outputs: Mapping[str, Any]
    sample: Batch | None
    categories: Mapping[str, Sequence[str]]
    files: NotRequired[LocalCopy]


@dataclass(frozen=True, eq=False)
class Loaded:
    name: str
    version: str
    alias: str | None
    digest: str | None
    signature: Signature | None
    presentation: Presentation
    decoder: BodyDecoder
    runtime: Runtime
    scorer: Scorer
    environment: Mapping[str, Any]
    run_id: str | None
    times: Mapping[str, float]  # seconds per step: fetch (with its verification), import, load, warm
    outputs: Mapping[str, Any] = field(default_factory=dict)  # what each method gave to the sample, where there is one
    sample: Batch | None = None  # rows that fit, to show what a request may be
    categories: Mapping[str, Sequence[str]] = field(default_factory=dict)  # the texts of a column that the model knows
    read_profile: Callable[[], bytes] | None = None  # the file, where the version has it
    files: LocalCopy | None = None  # None for a version that is held in memory alone
    leases: Leases = field(default_factory=Leases)
    loaded_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="milliseconds"))

    @cached_property
    def headers(self) -> list[tuple[bytes, bytes]]:
        return [(b"x-model-name", header_value(self.name)), (b"x-model-version", header_value(self.version))]

    @cached_property
    def result_methods(self) -> Sequence[str]:
        """The methods whose outputs a plain result shows: of a classifier its label and its probabilities."""
        methods = self.runtime.methods
        both = ("predict", "predict_proba")
        return both if self.runtime.classes is not None and set(both) <= set(methods) else methods[:1]

    @cached_property
    def class_names(self) -> Sequence[str] | None:
        """The labels of a classifier as the keys of its probabilities."""
        classes = self.runtime.classes
        return None if classes is None else [label_text(label) for label in classes]

    @cached_property
    def names(self) -> tuple[str, str]:
        return header_value(self.name).decode(), header_value(self.version).decode()

    @cached_property
    def profile(self) -> Mapping[str, Any]:
        """What `publish --data` found in each column. It is read from the store when it is first asked for."""
        if self.read_profile is None:
            return {}
        try:
            columns: Mapping[str, Any] = msgspec.json.decode(self.read_profile())["columns"]
        except (ServeError, msgspec.DecodeError, LookupError, TypeError) as error:
            logger.warning("the profile of version %s cannot be read", self.version, exc_info=error)
            return {}
        return columns

    @cached_property
    def _known(self) -> Mapping[str, frozenset[str | None]]:
        return known_texts(self.categories)

    def count_unknown(self, batch: Batch) -> list[int]:
        """For each row, the cells with a category that the model has never seen. Empty if there is no such cell."""
        columns = batch.columns if batch.cells is None else batch.cells
        found = [
            [cell not in known for cell in columns[name]]
            for name, known in self._known.items()
            if not known.issuperset(columns[name])
        ]
        return [sum(cells) for cells in zip(*found, strict=True)]

    def retire(self) -> None:
        self.leases.close()
        self.scorer.retire()
        self.scorer.join(timeout=60)
        if self.files:
            self.files.retire()


def known_texts(categories: Mapping[str, Sequence[str]]) -> Mapping[str, frozenset[str | None]]:
    """Null is missing, and not unknown."""
    return {name: frozenset((None, *texts)) for name, texts in categories.items()}


def retire_on_thread(version: Loaded) -> None:
    """Free it after its last request."""
    last = [version]  # so that the thread drops the version before it collects

    def retire() -> None:
        last.pop().retire()
        memory.collect()

    threading.Thread(target=retire, name="retire", daemon=True).start()


def header_value(text: str) -> bytes:
    """Printable ASCII as it is, anything else percent-encoded."""
    return (text if text.isascii() and text.isprintable() else quote(text, errors="replace")).encode()


class StepTimer:
    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, step: str) -> None:
        now = time.perf_counter()
        self.seconds[step] = round(now - self._last, 4)
        self._last = now
