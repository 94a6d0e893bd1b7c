"""The profile beside a version: written into its directory by `publish --data`, read from the store by `drift`."""

from pathlib import Path
from typing import Any, Final

import numpy as np

from modelserve.models.protocols import Runtime
from modelserve.models.scorers.outputs import row_values, score_rows
from modelserve.payloads.predictions import Presentation, label_text, results
from modelserve.schema.batch import Batch, take_rows
from modelserve.store.buckets.objects import Objects, read_object
from modelserve.store.names.locations import version_prefix
from modelserve.store.versions.manifest import Manifest
from modelserve_control.common.errors import NoProfile, ValidationFailed
from modelserve_control.monitor.stats.answers import collect_answers
from modelserve_control.monitor.stats.profile import FILE, Profile, build_profile, decode_profile, encode_profile

MAX_BYTES: Final = 64 << 20
MAX_SCORED: Final = 100_000  # rows whose predictions are profiled, evenly spaced
CHUNK: Final = 10_000


def write_profile(directory: Path, batch: Batch, runtime: Runtime, params: dict[str, Any]) -> Profile:
    """Raises ValidationFailed when the model does not score all rows."""
    rows = np.unique(np.linspace(0, batch.rows - 1, min(batch.rows, MAX_SCORED)).round().astype(int))
    try:
        found = [
            score_answers(runtime, take_rows(batch, rows[start : start + CHUNK].tolist()), params)
            for start in range(0, len(rows), CHUNK)
        ]
    except Exception as error:  # a model may raise anything
        raise ValidationFailed(
            f"The model does not score all rows of --data: {type(error).__name__}: {error}."
        ) from error
    answers = collect_answers([row for part in found for row in part])
    profile = build_profile(batch.columns, answers.columns(), batch.rows)
    (directory / FILE).write_bytes(encode_profile(profile))
    return profile


def score_answers(runtime: Runtime, batch: Batch, params: dict[str, Any]) -> list[dict[str, Any]]:
    """The result objects of the plain form, without a presentation."""
    methods: list[str] = [name for name in ("predict", "predict_proba") if name in runtime.methods]
    if runtime.methods[0] != "predict" or runtime.classes is None:
        methods = [*runtime.methods[:1]]
    outputs = score_rows(runtime, batch, methods, params)
    predicted, *shares = [row_values(outputs[name], batch.rows, name) for name in methods]
    names = None if runtime.classes is None else [label_text(label) for label in runtime.classes]
    return results(predicted, shares[0] if shares else None, names, Presentation())


def read_profile(objects: Objects, manifest: Manifest) -> Profile:
    """Raises NoProfile."""
    if FILE not in {entry.path for entry in manifest.files}:
        raise NoProfile(
            f"Version {manifest.version} of {manifest.name} has no profile: publish it with --data FILE, the rows that it "
            "was trained on."
        )
    data, _ = read_object(objects, f"{version_prefix(manifest.name, manifest.version)}/{FILE}", MAX_BYTES)
    return decode_profile(data)
