"""From `MODEL_URI` to a model that has scored its own sample: resolve, fetch, check, load, warm.

Each step is timed, and none of them touches what is being served. What a version needs is imported when it is known to
need it: a compiled one brings no YAML, no pandas and no mlflow into the process.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from modelserve import memory
from modelserve.leases import Leases
from modelserve.payloads.predictions import Presentation
from modelserve.runtimes import Runtime, Scorer
from modelserve.settings import Settings
from modelserve.signature import Signature
from modelserve.store.held import Held
from modelserve.store.objects import Objects
from modelserve.store.resolve import Resolved

if TYPE_CHECKING:
    from modelserve.express import Express

UNVERSIONED = "unversioned"  # a directory without a manifest


@dataclass(frozen=True)
class Loaded:
    """One version, ready to answer."""

    name: str
    version: str
    alias: str | None
    digest: str | None
    signature: Signature | None
    presentation: Presentation
    runtime: Runtime
    scorer: Scorer
    environment: Mapping[str, Any]
    run_id: str | None
    times: Mapping[str, float]
    """Seconds per step: fetch (with its verification), import, load, warm."""
    held: Held | None = None
    """Its files, where it has any beside itself."""
    express: Express | None = None
    """A shorter way through, where the version has one."""
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
        memory.give_back_freed()


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
    express: Express | None = None


def load(resolved: Resolved, objects: Objects, settings: Settings) -> Loaded:
    """Raises a VersionError that says why this version cannot serve, or StoreUnavailable."""
    clock = Clock()
    manifest = resolved.manifest
    presentation = Presentation.from_manifest(manifest.presentation if manifest else None)
    if manifest is not None and manifest.runtime["kind"] == "compiled":
        from modelserve import load_compiled

        prepared = load_compiled.prepare(resolved, manifest, objects, settings, clock)
    else:
        from modelserve import load_native

        prepared = load_native.prepare(resolved, objects, settings, clock)
    return Loaded(
        name=settings.model_name if manifest is None and settings.model_name else resolved.name,
        version=resolved.version or UNVERSIONED,
        alias=resolved.alias_name,
        digest=resolved.manifest_sha256,
        signature=prepared.signature,
        presentation=presentation,
        runtime=prepared.runtime,
        scorer=prepared.scorer,
        environment=prepared.environment,
        run_id=prepared.run_id,
        times=clock.times,
        held=prepared.held,
        express=prepared.express,
    )
