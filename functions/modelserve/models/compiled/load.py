"""Loading for the compiled runtime: one file of the version, straight into ONNX Runtime."""

from __future__ import annotations

import logging
import threading

from modelserve.core.settings import Settings
from modelserve.models.scorers.inline import InlineScorer
from modelserve.models.version import Clock, Prepared
from modelserve.models.warmup import attempt, manifest_sample, warm
from modelserve.schema.signature import from_mlmodel
from modelserve.store.buckets.objects import Objects
from modelserve.store.download.fetch import read_file
from modelserve.store.trust.environment import check_environment
from modelserve.store.versions.manifest import Manifest
from modelserve.store.versions.resolve import Resolved

logger = logging.getLogger(__name__)


def prepare(resolved: Resolved, manifest: Manifest, objects: Objects, settings: Settings, clock: Clock) -> Prepared:
    """Nothing of the version but its ONNX file is read, and that is refused if it names others; MODEL_TRUST has nothing to
    decide here."""
    importing = threading.Thread(target=import_runtime, name="import", daemon=True)
    importing.start()
    description = manifest.runtime
    data = read_file(resolved, objects, description["file"])
    clock.lap("fetch")
    importing.join()
    clock.lap("import")
    for warning in check_environment(manifest.environment, "compiled"):
        logger.debug("%s", warning)
    from modelserve.models.compiled import runtime as compiled

    runtime = attempt("load", lambda: compiled.load(data, description))
    signature = from_mlmodel(manifest.signature)
    clock.lap("load")
    warm(runtime, manifest_sample(manifest, signature), merges=True)  # every node of the graph works on each row
    clock.lap("warm")
    return Prepared(
        runtime=runtime,
        scorer=InlineScorer(runtime, settings.max_pending_rows),
        signature=signature,
        environment=manifest.environment,
        run_id=manifest.provenance.get("run_id"),
        categories=runtime.packing.categories(),
    )


def import_runtime() -> None:
    import onnxruntime  # noqa: F401 - while the bytes arrive
