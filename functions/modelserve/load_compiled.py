"""Loading for the compiled runtime: one file of the version, straight into ONNX Runtime."""

from __future__ import annotations

import logging
import threading

from modelserve.errors import VersionError
from modelserve.loading import Clock, Prepared
from modelserve.runtimes.inline import InlineScorer
from modelserve.samples import attempt, manifest_sample, warm
from modelserve.settings import Settings
from modelserve.signature import from_mlmodel
from modelserve.store.download import read_file
from modelserve.store.environment import check_environment
from modelserve.store.manifest import Manifest
from modelserve.store.objects import Objects
from modelserve.store.resolve import Resolved

logger = logging.getLogger(__name__)


def prepare(resolved: Resolved, manifest: Manifest, objects: Objects, settings: Settings, clock: Clock) -> Prepared:
    """Nothing of the version but its ONNX file is read, so MODEL_TRUST has nothing to decide here."""
    importing = threading.Thread(target=import_runtime, name="import", daemon=True)
    importing.start()
    description = manifest.runtime
    try:
        data = read_file(resolved, objects, description["file"])
    except KeyError as error:
        raise VersionError("The manifest of this compiled version names no file; publish it again.") from error
    clock.lap("fetch")
    importing.join()
    clock.lap("import")
    for warning in check_environment(manifest.environment, "compiled"):
        logger.debug("%s", warning)
    from modelserve.runtimes import compiled

    runtime = attempt("load", lambda: compiled.load(data, description))
    signature = from_mlmodel(manifest.signature)
    clock.lap("load")
    warm(runtime, manifest_sample(manifest, signature))
    clock.lap("warm")
    return Prepared(
        runtime=runtime,
        scorer=InlineScorer(runtime, settings.max_pending_rows),
        signature=signature,
        environment=manifest.environment,
        run_id=manifest.provenance.get("run_id"),
    )


def import_runtime() -> None:
    import onnxruntime  # noqa: F401 - while the bytes arrive
