from __future__ import annotations

import json
import tomllib
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import pytest

from modelserve.http import metadata
from modelserve.schema.signature import Signature, from_mlmodel
from modelserve.store.trust import environment
from modelserve_control.common.processes import SOURCES
from signatures import signature, signature_of, tensor
from tiny import Tiny, loaded


def test_the_metadata_name_what_answers() -> None:
    with loaded(Tiny(methods=("predict", "predict_proba"), classes=("no", "yes")), signature(x="double")) as made:
        found = json.loads(json.dumps(metadata.document(made)))
    assert (found["name"], found["version"], found["alias"], found["digest"]) == ("tiny", "7", "champion", "0" * 64)
    assert (found["runtime"], found["classes"]) == ("native", ["no", "yes"])
    assert found["predict_methods"] == ["predict", "predict_proba"]
    assert found["signature"]["inputs"] == [{"name": "x", "type": "double", "required": True}]
    assert found["load_seconds"] == {"fetch": 0.1}
    assert found["environment"]["model"] == {"python": "3.11.7"}


def test_a_model_without_signature_and_classes_says_null() -> None:
    with loaded(Tiny()) as made:
        found = metadata.document(made)
        assert (found["signature"], found["classes"], metadata.v2_document(made)["inputs"]) == (None, None, [])


def test_v2_names_columns_as_tensors() -> None:
    specs = [
        {"name": "a", "type": "integer"},
        {"name": "s", "type": "string"},
        {"name": "w", "type": "datetime"},
        tensor("float32", -1, 28, name="t"),
        tensor("uint8", -1, name="u"),
        tensor("str", -1, name="v"),
    ]
    with loaded(Tiny(), signature_of(specs)) as made:
        found = metadata.v2_document(made)
    assert [(one["name"], one["datatype"], one["shape"]) for one in found["inputs"]] == [
        ("a", "INT32", [-1]),
        ("s", "BYTES", [-1]),
        ("w", "BYTES", [-1]),
        ("t", "FP32", [-1, 28]),
        ("u", "UINT8", [-1]),
        ("v", "BYTES", [-1]),
    ]
    assert [one["name"] for one in found["outputs"]] == ["predict"]


def outputs_of(runtime: Tiny, known: Signature | None = None, **more: Any) -> list[tuple[str, str, list[int]]]:
    with loaded(runtime, known, **more) as made:
        found = metadata.v2_document(made)["outputs"]
    return [(one["name"], one["datatype"], one["shape"]) for one in found]


ALL = ("predict", "predict_proba", "decision_function")


def test_v2_outputs_are_those_of_the_sample() -> None:
    given = {"predict": np.array(["a", "b"]), "predict_proba": np.ones((2, 3)), "decision_function": [{"x": 1}]}
    wanted = [("predict", "BYTES", [-1]), ("predict_proba", "FP64", [-1, 3]), ("decision_function", "BYTES", [-1])]
    assert outputs_of(Tiny(methods=ALL, classes=(1, 2)), outputs=given) == wanted


@pytest.mark.parametrize(
    ("classes", "datatype"),
    [(("no", "yes"), "BYTES"), ((0, 1), "INT64"), ((False, True), "BOOL"), ((0.5, 1.5), "FP64")],
)
def test_without_a_sample_classes_say_what_a_classifier_gives(classes: tuple[Any, ...], datatype: str) -> None:
    wanted = [("predict", datatype, [-1]), ("predict_proba", "FP64", [-1, 2]), ("decision_function", "FP64", [-1])]
    assert outputs_of(Tiny(methods=ALL, classes=classes)) == wanted
    three = outputs_of(Tiny(methods=ALL, classes=("a", "b", "c")))
    assert [shape for _, _, shape in three] == [[-1], [-1, 3], [-1, 3]]


@pytest.mark.parametrize(
    ("specs", "datatype", "shape"),
    [
        (None, "FP64", [-1]), ([tensor("int32", -1)], "INT64", [-1]), ([tensor("float32", -1, 2)], "FP64", [-1, 2]),
        ([tensor("str", -1)], "BYTES", [-1]), ([{"type": "double", "name": name} for name in "ab"], "FP64", [-1, 2]),
    ],
)  # fmt: skip
def test_without_both_the_signature_says_what_a_model_gives(specs: Any, datatype: str, shape: list[int]) -> None:
    known = from_mlmodel({"inputs": [{"type": "double", "name": "x"}], "outputs": specs})
    assert outputs_of(Tiny(), known) == [("predict", datatype, shape)]


def test_the_server_of_v2_has_the_version_of_the_package() -> None:
    project = tomllib.loads((SOURCES / "pyproject.toml").read_text())["project"]
    assert metadata.V2_SERVER["version"] == project["version"]


def test_the_version_is_mlflows_own(monkeypatch: pytest.MonkeyPatch) -> None:
    metadata.mlflow_version.cache_clear()
    assert metadata.mlflow_version() == version("mlflow")

    def absent(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(environment, "version", absent)
    metadata.mlflow_version.cache_clear()
    assert metadata.mlflow_version() == "none"
    metadata.mlflow_version.cache_clear()
