"""From `MODEL_URI` to a model that has scored its own sample: resolve, fetch, check, load, warm.

Each step is timed, and none of them touches what is being served. What a version needs is imported when it is known to
need it: a compiled one brings no YAML, no pandas and no mlflow into the process.
"""

from __future__ import annotations

from modelserve.core.settings import Settings
from modelserve.models.version import UNVERSIONED, Clock, Loaded
from modelserve.payloads import Limits
from modelserve.payloads.decode import BodyDecoder
from modelserve.payloads.predictions import Presentation
from modelserve.store.buckets.objects import Objects
from modelserve.store.versions.resolve import Resolved


def load(resolved: Resolved, objects: Objects, settings: Settings) -> Loaded:
    """Raises a VersionUnusable that says why this version cannot serve, or StoreUnavailable."""
    clock = Clock()
    manifest = resolved.manifest
    presentation = Presentation.from_manifest(manifest.presentation if manifest else None)
    if manifest is not None and manifest.runtime["kind"] == "compiled":
        from modelserve.models.compiled import load as load_compiled

        prepared = load_compiled.prepare(resolved, manifest, objects, settings, clock)
    else:
        from modelserve.models.native import load as load_native

        prepared = load_native.prepare(resolved, objects, settings, clock)
    limits = Limits.from_settings(settings)
    return Loaded(
        name=settings.model_name if manifest is None and settings.model_name else resolved.name,
        version=resolved.version or UNVERSIONED,
        alias=resolved.alias_name,
        digest=resolved.manifest_sha256,
        signature=prepared.signature,
        presentation=presentation,
        decoder=BodyDecoder(prepared.signature, limits, prepared.categories),
        runtime=prepared.runtime,
        scorer=prepared.scorer,
        environment=prepared.environment,
        run_id=prepared.run_id,
        times=clock.times,
        held=prepared.held,
    )
