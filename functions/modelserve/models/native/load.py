"""Loading for the native runtime: the whole directory, policy over its MLmodel, the environment, then its flavor."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelserve.core.settings import Settings
from modelserve.models.native import runtime as native
from modelserve.models.protocols import Runtime
from modelserve.models.scorers.batching import BatchingScorer
from modelserve.models.version import Clock, Prepared
from modelserve.models.warmup import attempt, manifest_sample, saved_sample, warm
from modelserve.schema.signature import Signature, from_mlmodel
from modelserve.store.buckets.objects import Objects
from modelserve.store.download.cache import hold
from modelserve.store.trust.environment import check_environment
from modelserve.store.trust.estimators import check_estimators
from modelserve.store.trust.mlmodel import ModelConfig
from modelserve.store.trust.policy import check
from modelserve.store.versions.resolve import Resolved

logger = logging.getLogger(__name__)

SKOPS = frozenset({"mlflow.sklearn", "mlflow.lightgbm"})  # whose models are archives of Python objects under strict


def prepare(resolved: Resolved, objects: Objects, settings: Settings, clock: Clock) -> Prepared:
    importing = start_importing(resolved)
    held = hold(resolved, objects, settings.model_cache_dir)
    clock.lap("fetch")
    directory = held.directory
    try:
        config = check(directory, settings.model_trust)
        environment = environment_of(resolved, config)
        for warning in check_environment(environment, "native"):
            logger.warning("%s", warning)
        importing.join()
        clock.lap("import")
        signature = from_mlmodel(config.signature)
        runtime = load_runtime(directory, config, signature)
        clock.lap("load")
        sample = manifest_sample(resolved.manifest, signature) or saved_sample(directory, signature)
        warm(runtime, sample, resolved.manifest.runtime.get("merges") if resolved.manifest else None)
        clock.lap("warm")
    except BaseException:
        held.close()
        raise
    return Prepared(
        runtime=runtime,
        scorer=BatchingScorer(runtime, settings.max_batch_rows, settings.max_pending_rows),
        signature=signature,
        environment=environment,
        run_id=config.run_id,
        held=held,
    )


def start_importing(resolved: Resolved) -> threading.Thread:
    """What a model needs takes seconds to import; the bytes can arrive meanwhile. Only a manifest tells beforehand."""
    packages = resolved.manifest.environment.get("packages", {}) if resolved.manifest else {}
    thread = threading.Thread(target=import_native, args=(packages,), name="import", daemon=True)
    thread.start()
    return thread


def import_native(packages: Mapping[str, Any]) -> None:
    """A package that is missing is told by the load step, which needs it."""
    if not packages:
        return
    try:
        native.preload(packages)
    except ImportError:
        logger.debug("not everything could be imported ahead", exc_info=True)


def environment_of(resolved: Resolved, config: ModelConfig) -> Mapping[str, Any]:
    return resolved.manifest.environment if resolved.manifest else config.environment


def load_runtime(directory: Path, config: ModelConfig, signature: Signature | None) -> Runtime:
    """Raises VersionRefused when policy was strict and what was loaded reads files."""
    runtime = attempt("load", lambda: native.load(directory, recipe(config), signature))
    if config.strict and config.loader_module in SKOPS:
        owners = (getattr(call, "__self__", None) for call in runtime.calls.values())
        check_estimators(runtime.estimator, *owners)
    return runtime


def recipe(config: ModelConfig) -> native.Recipe:
    flavor = config.flavors.get("sklearn", {})
    if config.loader_module != "mlflow.sklearn" or flavor.get("serialization_format") != "skops":
        return native.Recipe(config.loader_module, config.predict_fn)
    types = flavor.get("skops_trusted_types") or ()
    return native.Recipe(config.loader_module, config.predict_fn, flavor.get("pickled_model"), types)
