"""Loading for the compiled runtime: one file of the version, straight into ONNX Runtime."""

import logging
import threading
from importlib import import_module

from modelserve.core import memory
from modelserve.core.settings import Settings
from modelserve.models.scorers.inline import InlineScorer
from modelserve.models.version import LoadedRuntime, StepTimer, known_texts
from modelserve.models.warmup import as_version_error, manifest_sample, warm
from modelserve.payloads import Limits
from modelserve.payloads.decode import BodyDecoder
from modelserve.schema.signature import from_mlmodel
from modelserve.store.buckets.objects import Objects
from modelserve.store.download.fetch import read_file
from modelserve.store.trust.environment import check_environment
from modelserve.store.versions.manifest import Manifest
from modelserve.store.versions.resolve import Resolved

logger = logging.getLogger(__name__)


def load_compiled(
    resolved: Resolved, manifest: Manifest, objects: Objects, settings: Settings, timer: StepTimer
) -> LoadedRuntime:
    """Reads only the version's ONNX file, which is refused if it names other files. MODEL_TRUST does not apply."""
    # While the bytes arrive.
    importing = threading.Thread(target=import_module, args=("onnxruntime",), name="import", daemon=True)
    importing.start()
    description = manifest.runtime
    data = read_file(resolved, objects, description["file"])
    timer.lap("fetch")
    importing.join()
    timer.lap("import")
    memory.freeze_imports()
    for warning in check_environment(manifest.environment, "compiled"):
        logger.debug("%s", warning)
    from modelserve.models.compiled import runtime as compiled

    with as_version_error("load"):
        runtime = compiled.load(data, description)
    signature = from_mlmodel(manifest.signature)
    timer.lap("load")
    # Every node of the graph works on each row.
    sample = manifest_sample(manifest, signature)
    outputs = warm(runtime, sample, merges=True)
    categories = runtime.packing.categories()
    timer.lap("warm")
    if settings.unknown_categories == "reject":
        runtime.packing.refused = known_texts(categories)
    return LoadedRuntime(
        runtime=runtime,
        outputs=outputs,
        scorer=InlineScorer(runtime, settings.max_batch_rows, settings.max_pending_rows),
        signature=signature,
        decoder=BodyDecoder(signature, Limits.from_settings(settings), categories),
        sample=sample,
        categories=categories,
        environment=manifest.environment,
        run_id=manifest.provenance.get("run_id"),
    )
