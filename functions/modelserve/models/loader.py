"""From a resolved version to a model that has scored its own sample: fetch, check, load, warm.

A version's imports happen when it needs them: a compiled one imports no YAML, no pandas and no mlflow.
"""

from functools import partial
from typing import Final

from modelserve.core.settings import Settings
from modelserve.models.version import UNVERSIONED, Loaded, StepTimer
from modelserve.payloads.predictions import Presentation
from modelserve.store.buckets.objects import Objects
from modelserve.store.download.fetch import read_file
from modelserve.store.versions.resolve import Resolved

PROFILE: Final = "profile.json"  # of the rows that the version was published with


def load(resolved: Resolved, objects: Objects, settings: Settings) -> Loaded:
    """Raises VersionUnusable, which says why this version cannot serve, or StoreUnavailable."""
    timer = StepTimer()
    manifest = resolved.manifest
    presentation = Presentation.from_manifest(manifest.presentation if manifest else None)
    if manifest is not None and manifest.runtime["kind"] == "compiled":
        from modelserve.models.compiled.load import load_compiled

        parts = load_compiled(resolved, manifest, objects, settings, timer)
    else:
        from modelserve.models.native.load import load_native

        parts = load_native(resolved, objects, settings, timer)
    has_profile = manifest is not None and any(entry.path == PROFILE for entry in manifest.files)
    return Loaded(
        name=settings.model_name if manifest is None and settings.model_name else resolved.name,
        version=resolved.version or UNVERSIONED,
        alias=resolved.location.alias,
        digest=resolved.manifest_sha256,
        presentation=presentation,
        times=timer.seconds,
        read_profile=partial(read_file, resolved, objects, PROFILE) if has_profile else None,
        **parts,
    )
