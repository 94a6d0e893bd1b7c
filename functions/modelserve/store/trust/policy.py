"""What may be loaded, decided from the MLmodel before anything is imported.

MLflow imports the module that `loader_module` names, adds `code` to sys.path, joins `model_path` unchecked, and takes the
list of trusted types from the model itself (GHSA-w582-9x45-8mpx). Its own setting prevents only some of this.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from posixpath import basename
from typing import Any, Final, NoReturn

from modelserve.core.errors import VersionRefused
from modelserve.store.names.paths import check_names, invalid_reason, printable, walk
from modelserve.store.trust.environment import environment_of
from modelserve.store.trust.external_data import refuse_external_file
from modelserve.store.trust.mlmodel import PYFUNC, ModelConfig, config, read, texts
from modelserve.store.trust.trusted_types import TRUSTED

ADVICE: Final = "If everyone who can write to the bucket may run code here, set MODEL_TRUST=pickle, or pass --trust pickle to the command."

# Keys whose value is a path in the model's directory, in any flavor that MLflow 2 and 3 write.
PATH_KEYS: Final = frozenset(
    {"artifact_path", "code", "conda", "data", "env", "model_data", "model_path"}
    | {"path", "pickled_model", "python_model", "saved_model_dir", "serving_input_path", "virtualenv"}
)
# Paths on the machine that saved the model: MLflow opens the file of that name beside MLmodel (mlflow/pyfunc/model.py).
FILE_NAME_KEYS: Final = frozenset({"model_code_path", "model_config", "config"})
# Where the model came from, and texts for its prompts; MLflow does not open these when it loads a model.
ORIGIN_KEYS: Final = frozenset({"uri", "prompt_template"})

# The methods of MLflow's own wrappers (mlflow/sklearn/__init__.py). They have no side effects.
PREDICT_FNS: Final = frozenset(
    {"predict", "predict_proba", "predict_log_proba", "predict_joint_log_proba", "decision_function", "score"}
)
XGBOOST_CLASSES: Final = frozenset(
    {"xgboost.core.Booster"}
    | {f"xgboost.sklearn.XGB{name}" for name in ("Classifier", "Regressor", "Ranker", "RFClassifier", "RFRegressor")}
)
ONNX_OPTIONS: Final = frozenset(
    {"inter_op_num_threads", "intra_op_num_threads", "execution_mode", "graph_optimization_level"}
)

Flavor = Mapping[str, Any]


def check(directory: Path, trust: str) -> ModelConfig:
    """`trust` is MODEL_TRUST. Raises `VersionRefused`, or `ArtifactCorrupt` for an invalid file name. Under both
    settings, paths must stay in the directory, and an ONNX file must not name other files."""
    check_names(name for name, _ in walk(str(directory)))
    raw = read(directory)
    found = config(raw)
    found = replace(found, environment=environment_of(directory, found.flavors))
    _check_paths(directory, found, raw)
    _check_onnx(directory, found)
    if trust == "pickle":
        return found
    path = check_strict(found)
    if "/" in path or not (directory / path).is_file():
        refuse(f"the model {printable(path)} is not a file beside MLmodel")
    return replace(found, strict=True)


def _check_paths(directory: Path, found: ModelConfig, raw: Mapping[str, Any]) -> None:
    """Paths must stay in the directory and exist, so that no file can be put there after the check."""
    example = raw.get("saved_input_example_info") or {}
    for key, text in [*opened_texts(found.flavors), *texts(example)]:
        hostile = text.startswith(("/", "~")) or ".." in text.replace("\\", "/").split("/")
        if hostile or (
            key in PATH_KEYS and (invalid_reason(text.removesuffix("/")) is not None) and text not in ("", ".")
        ):
            raise VersionRefused(f"In MLmodel, {key} leaves the model's directory ({printable(text)}).")
    for key, path in needed_files(found.flavors):
        inside = path == "." or invalid_reason(path.removesuffix("/")) is None
        if not (inside and (directory / path).exists()):
            raise VersionRefused(f"In MLmodel, {key} names {printable(path)}, which the version does not contain.")


def opened_texts(flavors: Mapping[str, Flavor]) -> Iterator[tuple[str, str]]:
    """Every text of the flavors that may be a path that MLflow opens, with its key."""
    for name, flavor in flavors.items():
        ignored = ORIGIN_KEYS | FILE_NAME_KEYS
        if name == "sentence_transformers" or "model_binary" in flavor:  # the weights are in the version
            ignored |= {"source_model_name"}
        opened = {key: value for key, value in flavor.items() if key not in ignored}
        yield from ((key, text) for key, text in texts(opened) if key not in ORIGIN_KEYS)


def needed_files(flavors: Mapping[str, Flavor]) -> Iterator[tuple[str, str]]:
    for key in ("data", "model_path"):
        if path := flavors[PYFUNC].get(key):
            yield key, str(path)
    for flavor in flavors.values():
        for key in FILE_NAME_KEYS & flavor.keys():
            if isinstance(flavor[key], str):  # a configuration may also be a mapping, which MLflow hands to the model
                yield key, basename(flavor[key])


def _check_onnx(directory: Path, found: ModelConfig) -> None:
    pyfunc = found.flavors[PYFUNC] if found.loader_module == "mlflow.onnx" else {}
    for path in {pyfunc.get("data"), pyfunc.get("model_path"), found.flavors.get("onnx", {}).get("data")}:
        if path and (directory / str(path)).is_file():
            refuse_external_file(directory / str(path))


def check_strict(found: ModelConfig) -> str:
    """What MODEL_TRUST=strict refuses of an MLmodel, whatever is beside it. Returns the path of the model. Raises `VersionRefused`."""
    pyfunc = found.flavors[PYFUNC]
    if found.loader_module not in LOADERS:
        refuse(
            f"loader_module {printable(found.loader_module)} can run code of the model; known are {', '.join(LOADERS)}"
        )
    if found.predict_fn not in PREDICT_FNS:
        refuse(f"predict_fn {printable(found.predict_fn)} is not one of {', '.join(sorted(PREDICT_FNS))}")
    if pyfunc.get("model_config") or pyfunc.get("config"):
        refuse("the flavor python_function carries a model_config, which is for models that are code")
    for name, flavor in found.flavors.items():
        if flavor.get("code"):
            refuse(f"the flavor {printable(name)} brings its own code")
        if name not in FLAVORS:
            refuse(f"the flavor {printable(name)} has no form that is known to contain no code")
        FLAVORS[name](flavor)
    return _find_one_file(found)


def _find_one_file(found: ModelConfig) -> str:
    """MLflow reads the flavor from the MLmodel beside the model's file, so it must be this one and not a nested one."""
    flavor = found.flavors.get(LOADERS[found.loader_module])
    if flavor is None:
        refuse(f"loader_module {found.loader_module} has no flavor of its own")
    pyfunc = found.flavors[PYFUNC]
    named = {pyfunc.get("data"), pyfunc.get("model_path"), flavor.get("data"), flavor.get("pickled_model")} - {None}
    if len(named) != 1:
        refuse("its flavors do not name exactly one file as the model")
    return str(named.pop())


def refuse(reason: str) -> NoReturn:
    raise VersionRefused(f"MODEL_TRUST=strict refuses this version: {reason}. {ADVICE}")


def _python_function(flavor: Flavor) -> None:
    for key in ("python_model", "artifacts", "model_code_path"):
        if flavor.get(key):
            refuse(f"the flavor python_function has {key}, which is a pickle or code")


def _skops(flavor: Flavor) -> None:
    form = flavor.get("serialization_format")
    if form != "skops":
        refuse(
            f"its model is in the form {printable(str(form or 'pickle'))}; save it with serialization_format='skops'"
        )
    wanted = flavor.get("skops_trusted_types") or []
    if not isinstance(wanted, list) or not all(isinstance(name, str) for name in wanted):
        refuse("skops_trusted_types is not a list of names")
    if unknown := sorted(set(wanted) - TRUSTED):
        refuse(f"it wants skops to trust {', '.join(map(printable, unknown[:5]))}")


def _lightgbm(flavor: Flavor) -> None:
    if flavor.get("model_class", "lightgbm.basic.Booster") == "lightgbm.basic.Booster":
        return  # text that LightGBM itself parses; MLflow ignores serialization_format for it
    _skops(flavor)


def _xgboost(flavor: Flavor) -> None:
    # MLflow imports and calls the class that this names.
    model_class = flavor.get("model_class", "xgboost.core.Booster")
    if model_class not in XGBOOST_CLASSES:
        refuse(f"model_class {printable(str(model_class))} is not one of XGBoost's own")
    if not str(flavor.get("data")).endswith((".ubj", ".json")):
        refuse("its XGBoost model is not in the form ubj or json; save it with model_format='ubj'")


def _onnx(flavor: Flavor) -> None:
    providers = flavor.get("providers") or []
    if not isinstance(providers, list) or not all(isinstance(name, str) for name in providers):
        refuse("its ONNX providers have options, which can name files and libraries")
    options = flavor.get("onnx_session_options") or {}
    if not isinstance(options, dict) or set(options) - ONNX_OPTIONS:
        refuse(f"its ONNX session options are not among {', '.join(sorted(ONNX_OPTIONS))}")


# Loader modules that run no code of the model, and the flavor that each reads.
LOADERS: Final[Mapping[str, str]] = {
    "mlflow.sklearn": "sklearn",
    "mlflow.lightgbm": "lightgbm",
    "mlflow.xgboost": "xgboost",
    "mlflow.onnx": "onnx",
}
FLAVORS: Final[Mapping[str, Callable[[Flavor], None]]] = {
    PYFUNC: _python_function,
    "sklearn": _skops,
    "lightgbm": _lightgbm,
    "xgboost": _xgboost,
    "onnx": _onnx,
}
