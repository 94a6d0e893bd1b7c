"""Loading for the native runtime: download the directory, apply the policy, check the environment, load the flavor."""

import logging
import threading
from pathlib import Path

from modelserve.core import memory
from modelserve.core.settings import Settings
from modelserve.models.native import runtime as native
from modelserve.models.protocols import Runtime
from modelserve.models.scorers.batching import BatchingScorer
from modelserve.models.version import LoadedRuntime, StepTimer
from modelserve.models.warmup import WARM_ROWS, as_version_error, manifest_sample, saved_sample, warm
from modelserve.payloads import Limits
from modelserve.payloads.decode import BodyDecoder
from modelserve.schema.batch import take_rows
from modelserve.schema.signature import Signature, from_mlmodel
from modelserve.store.buckets.objects import Objects
from modelserve.store.download.cache import acquire
from modelserve.store.trust.environment import check_environment
from modelserve.store.trust.estimators import check_estimators
from modelserve.store.trust.mlmodel import ModelConfig
from modelserve.store.trust.policy import check
from modelserve.store.versions.resolve import Resolved

logger = logging.getLogger(__name__)

SKOPS = frozenset({"mlflow.sklearn", "mlflow.lightgbm"})  # under strict, their models are skops archives of objects


def load_native(resolved: Resolved, objects: Objects, settings: Settings, timer: StepTimer) -> LoadedRuntime:
    # Importing what the model needs takes seconds, so it starts before the download. Only a manifest names the packages.
    packages = resolved.manifest.environment.get("packages", {}) if resolved.manifest else {}
    importing = threading.Thread(target=native.preload, args=(packages,), name="import", daemon=True)
    importing.start()
    files = acquire(resolved, objects, settings.model_cache_dir)
    timer.lap("fetch")
    try:
        config = check(files.directory, settings.model_trust)
        environment = resolved.manifest.environment if resolved.manifest else config.environment
        for warning in check_environment(environment, "native"):
            logger.warning("%s", warning)
        importing.join()
        timer.lap("import")
        memory.freeze_imports()
        signature = from_mlmodel(config.signature)
        runtime = load_runtime(files.directory, config, signature)
        timer.lap("load")
        sample = manifest_sample(resolved.manifest, signature) or saved_sample(files.directory, signature)
        outputs = warm(runtime, sample, resolved.manifest.runtime.get("merges") if resolved.manifest else None)
        timer.lap("warm")
    except BaseException:
        files.close()
        raise
    return LoadedRuntime(
        runtime=runtime,
        outputs=outputs,
        scorer=BatchingScorer(runtime, settings.max_batch_rows, settings.max_pending_rows),
        signature=signature,
        decoder=BodyDecoder(signature, Limits.from_settings(settings)),
        sample=take_rows(sample, range(min(sample.rows, WARM_ROWS))) if sample else None,
        categories={},
        environment=environment,
        run_id=config.run_id,
        files=files,
    )


def load_runtime(directory: Path, config: ModelConfig, signature: Signature | None) -> Runtime:
    with as_version_error("load"):
        runtime = native.load(directory, config, signature)
    if config.strict and config.loader_module in SKOPS:
        owners = (getattr(call, "__self__", None) for call in runtime.calls.values())
        check_estimators(runtime.estimator, *owners)
    return runtime
