"""A loaded version: what it answers with, who is using it, and how long each step of its loading took."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from urllib.parse import quote

from modelserve.core import memory
from modelserve.models.protocols import Runtime, Scorer
from modelserve.payloads.decode import BodyDecoder
from modelserve.payloads.predictions import Presentation
from modelserve.schema.signature import Signature
from modelserve.store.download.cache import Held

UNVERSIONED = "unversioned"  # a directory without a manifest


class Leases:
    def __init__(self) -> None:
        self._count = 0
        self._awaited = self._closed = False
        self._lock = threading.Lock()  # held by itself where nothing is told: a condition's own ways are Python
        self._changed = threading.Condition(self._lock)

    def enter(self) -> bool:
        """False once the version has been freed: take the one that came after it."""
        with self._lock:
            if self._closed:
                return False
            self._count += 1
            return True

    def leave(self) -> None:
        with self._lock:
            self._count -= 1
            if self._awaited and not self._count:
                self._changed.notify_all()

    def close(self) -> None:
        """Wait until nobody is left, then let nobody in."""
        with self._lock:
            self._awaited = True
            self._changed.wait_for(lambda: self._count == 0)
            self._closed = True


@dataclass(frozen=True, eq=False)
class Loaded:
    """One version, ready to answer."""

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
    times: Mapping[str, float]
    """Seconds per step: fetch (with its verification), import, load, warm."""
    held: Held | None = None
    """Its files, where it has any beside itself."""
    leases: Leases = field(default_factory=Leases)
    loaded_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="milliseconds"))

    @cached_property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """What every answer of this version names."""
        return [(b"x-model-name", header_value(self.name)), (b"x-model-version", header_value(self.version))]

    @cached_property
    def names(self) -> tuple[str, str]:
        """Of the model and of the version, as the headers have them."""
        return header_value(self.name).decode(), header_value(self.version).decode()

    def retire(self) -> None:
        """Free the model after its last request, then its files."""
        self.leases.close()
        self.scorer.retire()
        self.scorer.join(timeout=60)
        if self.held:
            self.held.retire()
        memory.trim_malloc()


def header_value(text: str) -> bytes:
    """A header holds printable ASCII; anything else goes percent-encoded."""
    return (text if text.isascii() and text.isprintable() else quote(text, errors="replace")).encode()


class Clock:
    """Seconds per step, for `/metadata` and the log."""

    def __init__(self) -> None:
        self.times: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, step: str) -> None:
        now = time.perf_counter()
        self.times[step] = round(now - self._last, 4)
        self._last = now


@dataclass(frozen=True)
class Prepared:
    """What the steps of one runtime come to."""

    runtime: Runtime
    scorer: Scorer
    signature: Signature | None
    environment: Mapping[str, Any]
    run_id: str | None
    held: Held | None = None
    categories: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """See `payloads.json.typed.cells`."""
