"""Strict reading of an MLmodel file: bounded in size, and without tags, aliases and duplicate keys."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from modelserve.core.errors import ArtifactMissing, VersionRefused
from modelserve.store.names.locations import MLMODEL
from modelserve.store.trust import strict_yaml

MAX_BYTES = 1 << 20  # MLflow writes about 2,000
PYFUNC = "python_function"


@dataclass(frozen=True)
class ModelConfig:
    """`signature` has inputs, outputs and params as in MLmodel: JSON text or None. `environment` is taken from the flavors
    and the files beside MLmodel, in the form of the manifest."""

    flavors: Mapping[str, Mapping[str, Any]]
    loader_module: str
    predict_fn: str = "predict"
    signature: Mapping[str, Any] | None = None
    run_id: str | None = None
    environment: Mapping[str, Any] = field(default_factory=dict)
    strict: bool = False  # whether it was checked under MODEL_TRUST=strict, so that the loaded model is checked too


def read(directory: Path) -> dict[str, Any]:
    """Raises `ArtifactMissing` if there is no MLmodel, `VersionRefused` if MLflow would not write it."""
    try:
        with (directory / MLMODEL).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise ArtifactMissing("The directory contains no MLmodel.") from error
    return decode(data)


def decode(data: bytes) -> dict[str, Any]:
    if len(data) > MAX_BYTES:
        raise VersionRefused(f"MLmodel is longer than {MAX_BYTES} bytes.")
    return _mapping(parse(data), MLMODEL)


def parse(data: bytes) -> Any:
    try:
        return strict_yaml.load(data)
    except strict_yaml.Refused as error:
        raise VersionRefused(f"MLmodel {error}, which MLflow does not write.") from error
    except (yaml.YAMLError, ValueError) as error:
        raise VersionRefused("MLmodel is not YAML that MLflow writes.") from error


def config(raw: Mapping[str, Any]) -> ModelConfig:
    flavors = {
        str(name): _mapping(flavor, f"flavor {name}")
        for name, flavor in _mapping(raw.get("flavors"), "flavors").items()
    }
    if PYFUNC not in flavors:
        have = ", ".join(sorted(flavors)) or "none"
        raise VersionRefused(f"MLmodel lacks the flavor {PYFUNC}, which every server needs; it has {have}.")
    pyfunc = flavors[PYFUNC]
    signature = raw.get("signature")
    return ModelConfig(
        flavors=flavors,
        loader_module=_text(pyfunc.get("loader_module"), "loader_module") or "",
        predict_fn=_text(pyfunc.get("predict_fn"), "predict_fn") or "predict",
        signature=None if signature is None else _mapping(signature, "signature"),
        run_id=_text(raw.get("run_id"), "run_id"),
    )


def _mapping(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise VersionRefused(f"In MLmodel, {what} is not a mapping.")
    return value


def _text(value: Any, what: str) -> str | None:
    if value is not None and not isinstance(value, str):
        raise VersionRefused(f"In MLmodel, {what} is not text.")
    return value


def texts(value: Any, key: str = "") -> Sequence[tuple[str, str]]:
    if isinstance(value, str):
        return [(key, value)]
    if isinstance(value, dict):
        return [found for name, item in value.items() for found in texts(item, str(name))]
    if isinstance(value, list):
        return [found for item in value for found in texts(item, key)]
    return []
