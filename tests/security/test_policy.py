"""R8: what MODEL_TRUST=strict refuses, and what neither setting lets pass; nothing is imported to find out."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelserve.core.errors import ArtifactCorrupt, ArtifactMissing, VersionRefused, VersionUnusable
from modelserve.core.settings import Settings
from modelserve.models.loader import load
from modelserve.models.native import load as load_native  # noqa: F401 - what a server has imported before it looks at a version
from modelserve.store.buckets.open import open_objects
from modelserve.store.names.locations import parse as parse_location
from modelserve.store.trust.mlmodel import MAX_BYTES, parse
from modelserve.store.trust.policy import check
from modelserve.store.versions.resolve import resolve


def skops(**changes: Any) -> dict[str, Any]:
    """What mlflow.sklearn.save_model(serialization_format="skops") writes; `flavor__key` changes one entry."""
    flavors: dict[str, Any] = {
        "python_function": {
            "env": {"conda": "conda.yaml", "virtualenv": "python_env.yaml"},
            "loader_module": "mlflow.sklearn",
            "model_path": "model.skops",
            "predict_fn": "predict",
            "python_version": "3.11.7",
        },
        "sklearn": {
            "code": None,
            "pickled_model": "model.skops",
            "serialization_format": "skops",
            "skops_trusted_types": None,
        },
    }
    for place, value in changes.items():
        flavor, _, key = place.partition("__")
        flavors.setdefault({"pyfunc": "python_function"}.get(flavor, flavor), {})[key] = value
    return {"flavors": flavors, "mlflow_version": "3.17.2", "model_uuid": "0"}


def write(directory: Path, raw: Any) -> Path:
    (directory / "MLmodel").write_text(raw if isinstance(raw, str) else yaml.safe_dump(raw))
    (directory / "model.skops").touch()
    return directory


def lightgbm(**flavor: Any) -> dict[str, Any]:
    return {
        "flavors": {
            "python_function": {"loader_module": "mlflow.lightgbm", "data": "model.skops"},
            "lightgbm": {"data": "model.skops", "model_class": "lightgbm.basic.Booster", "code": None} | flavor,
        }
    }


def xgboost(data: str = "model.ubj", **flavor: Any) -> dict[str, Any]:
    return {
        "flavors": {
            "python_function": {"loader_module": "mlflow.xgboost", "data": data},
            "xgboost": {"data": data, "model_class": "xgboost.core.Booster"} | flavor,
        }
    }


def onnx(**flavor: Any) -> dict[str, Any]:
    return {
        "flavors": {
            "python_function": {"loader_module": "mlflow.onnx", "data": "model.onnx"},
            "onnx": {"data": "model.onnx", "providers": ["CPUExecutionProvider"], "code": None} | flavor,
        }
    }


ALLOWED = {
    "skops": skops(),
    "skops with types of the kit's list": skops(sklearn__skops_trusted_types=["numpy.dtype"]),
    "probabilities": skops(pyfunc__predict_fn="predict_proba"),
    "lightgbm text": lightgbm(serialization_format="skops"),
    "lightgbm skops": lightgbm(model_class="lightgbm.sklearn.LGBMClassifier", serialization_format="skops"),
    "xgboost ubj": xgboost(),
    "xgboost json": xgboost("model.json", model_class="xgboost.sklearn.XGBClassifier"),
    "onnx": onnx(onnx_session_options={"intra_op_num_threads": 1}),
    # MLflow lists which variables were set when the model was logged; nothing reads or sets them here.
    "the flavors of MLflow 1": skops(pyfunc__env="conda.yaml", sklearn__sklearn_version="0.22.1"),
    "variables of the environment": skops() | {"env_vars": ["PATH", "PYTHONPATH", "OPENAI_API_KEY"]},
}

STRICT = {
    "loader_module os": skops(pyfunc__loader_module="os"),
    "loader_module of its own": skops(pyfunc__loader_module="evil", pyfunc__code="code"),
    "loader_module pyfunc model": skops(pyfunc__loader_module="mlflow.pyfunc.model"),
    "loader_module code model": skops(pyfunc__loader_module="mlflow.pyfunc.loaders.code_model"),
    "no loader_module": skops(pyfunc__loader_module=None),
    "code": skops(pyfunc__code="code"),
    "code in another flavor": skops(sklearn__code="code"),
    "cloudpickle": skops(sklearn__serialization_format="cloudpickle"),
    "pickle": skops(sklearn__serialization_format="pickle"),
    "no form, which is pickle": skops(sklearn__serialization_format=None),
    "own trusted type": skops(sklearn__skops_trusted_types=["numpy.dtype", "os.system"]),
    "trusts partial": skops(sklearn__skops_trusted_types=["functools.partial"]),
    "trusts operator": skops(sklearn__skops_trusted_types=["operator.methodcaller"]),
    "trusted types not a list": skops(sklearn__skops_trusted_types="numpy.dtype"),
    "trusted types not names": skops(sklearn__skops_trusted_types=[["numpy.dtype"]]),
    "nested MLmodel": skops(pyfunc__model_path="inner/model.skops", sklearn__pickled_model="inner/model.skops"),
    "two models": skops(pyfunc__model_path="conda.yaml"),
    "data beside model_path": skops(pyfunc__data="conda.yaml"),
    "the directory itself": skops(pyfunc__model_path=".", sklearn__pickled_model="."),
    "predict_fn": skops(pyfunc__predict_fn="__reduce__"),
    "model_config": skops(pyfunc__model_config={"a": 1}),
    "python_model": skops(pyfunc__python_model="python_model.pkl"),
    "artifacts": skops(pyfunc__artifacts={"a": {"path": "conda.yaml", "uri": "/home/x"}}),
    "model as code": skops(pyfunc__model_code_path="conda.yaml"),
    "unknown flavor": skops(keras__data="conda.yaml"),
    "lightgbm cloudpickle": lightgbm(model_class="lightgbm.sklearn.LGBMClassifier"),
    "lightgbm class": lightgbm(model_class="os.system", serialization_format="cloudpickle"),
    "xgboost class": xgboost(model_class="subprocess.Popen"),
    "xgboost binary": xgboost("model.xgb"),
    "onnx provider options": onnx(providers=[["CPUExecutionProvider", {"path": "x"}]]),
    "onnx session entries": onnx(onnx_session_options={"extra_session_config": {"a": "b"}}),
    "flavor missing": {
        "flavors": {"python_function": {"loader_module": "mlflow.sklearn", "model_path": "model.skops"}}
    },
}

# Paths of the machine that saved the model, which nothing opens, and texts that look like paths.
ORIGINS = {
    "model as code": skops(pyfunc__model_code_path="/home/me/project/conda.yaml"),
    "code of a chain": skops(langchain__model_code_path="../project/conda.yaml"),
    "configuration as a file": skops(langchain__model_config="/home/me/conda.yaml"),
    "configuration as a mapping": skops(pyfunc__config={"index": "/mnt/index", "path": "../x"}),
    "artifacts": skops(pyfunc__artifacts={"a": {"path": "conda.yaml", "uri": "/home/me/../a"}}),
    "weights of a local checkpoint": skops(
        transformers__source_model_name="/home/me/bert", transformers__model_binary="inner"
    ),
    "sentences": skops(sentence_transformers__source_model_name="/home/me/bert"),
    "a prompt": skops(transformers__prompt_template="/no_think {prompt}"),
}

ALWAYS = {
    "code that is not there": skops(pyfunc__model_code_path="/home/me/absent.py"),
    "code that is the directory": skops(pyfunc__model_code_path="/home/me/"),
    "code above the directory": skops(pyfunc__model_code_path="/home/me/.."),
    "weights that are not in the version": skops(transformers__source_model_name="/home/me/bert"),
    "a base model elsewhere": skops(
        transformers__local_base_model_path="/home/me/bert", transformers__model_binary="x"
    ),
    "model_path outside": skops(pyfunc__model_path="../outside/e.pkl"),
    "model_path absolute": skops(pyfunc__model_path="/tmp/e.pkl"),
    "data outside": skops(pyfunc__data="../x"),
    "data absolute": skops(pyfunc__data="/tmp/e.pkl"),
    "pickled_model outside": skops(sklearn__pickled_model="a/../../x"),
    "pickled_model absolute": skops(sklearn__pickled_model="/tmp/e.pkl"),
    "python_model outside": skops(pyfunc__python_model="../e.pkl"),
    "backslash": skops(sklearn__pickled_model="..\\x"),
    "home": skops(pyfunc__code="~/x"),
    "env outside": skops(pyfunc__env={"conda": "../conda.yaml"}),
    "deep inside a flavor": skops(pyfunc__artifacts={"a": {"path": "../../x"}}),
    "model_config path": skops(pyfunc__model_config="/etc/passwd"),
    "not there": skops(pyfunc__model_path="absent.skops"),
    "input example outside": skops() | {"saved_input_example_info": {"serving_input_path": "../x"}},
    "no python_function": {"flavors": {"sklearn": {}}},
    "no flavors": {},
    "flavors a list": {"flavors": []},
    "a list": [],
    "text": "just text",
    "empty": "",
    "broken": "flavors: {",
    "not UTF-8": "\x80",
    "python tag": "flavors: !!python/object/apply:os.system ['true']",
    "harmless tag": "flavors: !!map {}",
    "bomb": "a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]",
    "merge": "a: &a {x: 1}\nb:\n  <<: *a",
    "deep": "a: " + "[" * 5000 + "]" * 5000,
    "twin keys": "flavors: {}\nflavors: {}",
    "two documents": "a: 1\n---\nb: 2",
    "10 MB": "a: " + "x" * 10_000_000,
    "a date for a text": "flavors:\n  python_function: {loader_module: 2020-01-01}",
    "number for a text": skops(pyfunc__predict_fn=7),
}


@pytest.fixture(autouse=True)
def files(model: Path) -> None:
    (model / "inner").mkdir()
    (model / "code").mkdir()
    for name in (
        "conda.yaml",
        "model.ubj",
        "model.json",
        "model.xgb",
        "model.onnx",
        "inner/model.skops",
        "code/evil.py",
    ):
        (model / name).touch()


@pytest.mark.parametrize("raw", ALLOWED.values(), ids=ALLOWED.keys())
@pytest.mark.parametrize("trust", ["strict", "pickle"])
def test_forms_that_cannot_run_code_are_allowed(trust: str, raw: dict[str, Any], model: Path) -> None:
    assert check(write(model, raw), trust).loader_module == raw["flavors"]["python_function"]["loader_module"]


@pytest.mark.parametrize("raw", STRICT.values(), ids=STRICT.keys())
def test_strict_refuses_whatever_can_run_code(raw: dict[str, Any], model: Path) -> None:
    before = set(sys.modules)
    with pytest.raises(
        VersionRefused, match=r"If everyone who can write to the bucket may run code here, set MODEL_TRUST=pickle"
    ):
        check(write(model, raw), "strict")
    assert set(sys.modules) == before
    check(model, "pickle")


@pytest.mark.parametrize("raw", ORIGINS.values(), ids=ORIGINS.keys())
def test_a_path_that_only_says_where_the_model_came_from_is_no_danger(raw: dict[str, Any], model: Path) -> None:
    check(write(model, raw), "pickle")


@pytest.mark.parametrize("raw", [*STRICT.values(), *ALWAYS.values()], ids=[*STRICT.keys(), *ALWAYS.keys()])
def test_nothing_of_a_refused_version_runs(raw: Any, model: Path, tmp_path: Path) -> None:
    """All the way of a server that loads it, although every file of it would leave a trace."""
    canary = tmp_path / "ran"
    for path in filter(Path.is_file, model.rglob("*")):
        path.write_bytes(f"cposix\nsystem\n(S'touch {canary}'\ntR.".encode())  # a pickle
    (model / "code/evil.py").write_text(f"open({str(canary)!r}, 'w')")
    location = parse_location(str(write(model, raw)))
    objects = open_objects(location)
    before = (set(sys.modules), dict(os.environ), sys.path[:])
    with pytest.raises(VersionUnusable):
        load(resolve(location, objects), objects, Settings.from_environ({"MODEL_TRUST": "strict"}))
    assert not canary.exists()
    assert (set(sys.modules), dict(os.environ), sys.path) == before


@pytest.mark.parametrize("raw", ALWAYS.values(), ids=ALWAYS.keys())
@pytest.mark.parametrize("trust", ["strict", "pickle"])
def test_no_trust_lets_an_mlmodel_leave_its_directory_or_deceive_a_reader(trust: str, raw: Any, model: Path) -> None:
    with pytest.raises(VersionRefused):
        check(write(model, raw), trust)


def test_an_mlmodel_that_is_right_but_for_its_length_is_refused(model: Path) -> None:
    text = yaml.safe_dump(skops())
    check(write(model, text + "#" * (MAX_BYTES - len(text))), "strict")
    with pytest.raises(VersionRefused, match="MLmodel is longer than"):
        check(write(model, text + "#" * (MAX_BYTES - len(text) + 1)), "pickle")


@pytest.mark.parametrize("trust", ["strict", "pickle"])
def test_a_link_refuses_the_directory(trust: str, model: Path) -> None:
    (model / "data").symlink_to("/etc")
    with pytest.raises(ArtifactCorrupt):
        check(write(model, skops()), trust)


def test_a_directory_without_mlmodel_is_missing_its_artifact(model: Path) -> None:
    with pytest.raises(ArtifactMissing):
        check(model, "strict")


YAML = {
    "a YAML anchor or alias": ["a: &a [x]\nb: [*a, *a]", "a: &a 1", "a: &a {x: 1}\nb: {<<: *a}"],
    "a YAML tag": ["a: !!python/object/apply:os.system ['true']", "a: !!str 1", "a: !x {}"],
    "nested deeper": ["a: " + "[" * 5000 + "]" * 5000, "".join(" " * level + "a:\n" for level in range(40))],
    "a key twice": ["a: 1\na: 2", "a: {b: 1, b: 2}"],
    "is not YAML": ["a: {", "a: 1\n---\nb: 2", "\x80", "a: [}"],
}


@pytest.mark.parametrize(("reason", "text"), [(reason, text) for reason, texts in YAML.items() for text in texts])
def test_yaml_that_can_grow_run_or_hide_is_refused_as_such(reason: str, text: str) -> None:
    with pytest.raises(VersionRefused, match=reason):
        parse(text.encode("latin-1"))
