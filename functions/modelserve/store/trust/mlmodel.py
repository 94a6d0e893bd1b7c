"""The MLmodel file, read without believing it: bounded, without tags, aliases or twin keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from modelserve.core.errors import ArtifactMissing, VersionRefused
from modelserve.store.trust import strict_yaml

LIMIT = 1 << 20  # bytes; MLflow writes about 2,000
PYFUNC = "python_function"


@dataclass(frozen=True)
class ModelConfig:
    """What MLmodel says. `signature` has inputs, outputs and params as MLflow keeps them: JSON text or None.

    `environment` is the manifest's form (`python`, `packages`), from the files beside MLmodel. `input_example` is the
    file in the form of a request, relative.
    """

    flavors: Mapping[str, Mapping[str, Any]]
    loader_module: str
    predict_fn: str = "predict"
    signature: Mapping[str, Any] | None = None
    serialization_format: str | None = None
    model_uuid: str | None = None
    model_id: str | None = None
    run_id: str | None = None
    mlflow_version: str | None = None
    python_version: str | None = None
    input_example: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    strict: bool = False
    """Whether policy let it pass under MODEL_TRUST=strict, so that what it loads is to be looked at too."""


def read(directory: Path) -> dict[str, Any]:
    """Raises `VersionRefused` for a file that MLflow did not write, `ArtifactMissing` without one."""
    try:
        with (directory / "MLmodel").open("rb") as file:
            data = file.read(LIMIT + 1)
    except FileNotFoundError as error:
        raise ArtifactMissing("The directory holds no MLmodel.") from error
    if len(data) > LIMIT:
        raise VersionRefused(f"MLmodel is longer than {LIMIT} bytes.")
    return _mapping(parse(data), "MLmodel")


def parse(data: bytes) -> Any:
    """YAML of plain mappings, lists and scalars; `VersionRefused` for anything that can grow, run or hide."""
    try:
        return strict_yaml.load(data)
    except strict_yaml.Refused as error:
        raise VersionRefused(f"MLmodel {error}, which MLflow does not write.") from error
    except (yaml.YAMLError, ValueError) as error:
        raise VersionRefused("MLmodel is not YAML that MLflow writes.") from error


def config(raw: Mapping[str, Any], environment: Mapping[str, Any]) -> ModelConfig:
    """Raises `VersionRefused` where the form is not MLflow's."""
    flavors = {
        str(name): _mapping(flavor, f"flavor {name}")
        for name, flavor in _mapping(raw.get("flavors"), "flavors").items()
    }
    if PYFUNC not in flavors:
        have = ", ".join(sorted(flavors)) or "none"
        raise VersionRefused(f"MLmodel lacks the flavor {PYFUNC}, which every server needs; it has {have}.")
    pyfunc = flavors[PYFUNC]
    formats = [flavor["serialization_format"] for flavor in flavors.values() if flavor.get("serialization_format")]
    signature = raw.get("signature")
    example = raw.get("saved_input_example_info")
    return ModelConfig(
        flavors=flavors,
        loader_module=_text(pyfunc.get("loader_module"), "loader_module") or "",
        predict_fn=_text(pyfunc.get("predict_fn"), "predict_fn") or "predict",
        signature=None if signature is None else _mapping(signature, "signature"),
        serialization_format=_text(formats[0], "serialization_format") if formats else None,
        model_uuid=_text(raw.get("model_uuid"), "model_uuid"),
        model_id=_text(raw.get("model_id"), "model_id"),
        run_id=_text(raw.get("run_id"), "run_id"),
        mlflow_version=_text(raw.get("mlflow_version"), "mlflow_version"),
        python_version=_text(pyfunc.get("python_version"), "python_version"),
        input_example=_example(example) if example is not None else None,
        metadata=_mapping(raw.get("metadata") or {}, "metadata"),
        environment=environment,
    )


def _example(raw: Any) -> str | None:
    info = _mapping(raw, "saved_input_example_info")
    return _text(info.get("serving_input_path"), "serving_input_path")


def _mapping(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise VersionRefused(f"In MLmodel, {what} is not a mapping.")
    return value


def _text(value: Any, what: str) -> str | None:
    if value is not None and not isinstance(value, str):
        raise VersionRefused(f"In MLmodel, {what} is not text.")
    return value


def texts(value: Any, key: str = "") -> Sequence[tuple[str, str]]:
    """Every text below, with the key it stands under."""
    if isinstance(value, str):
        return [(key, value)]
    if isinstance(value, dict):
        return [found for name, item in value.items() for found in texts(item, str(name))]
    if isinstance(value, list):
        return [found for item in value for found in texts(item, key)]
    return []
