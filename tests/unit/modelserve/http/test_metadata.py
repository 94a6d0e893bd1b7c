from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, version

import pytest

from modelserve.http import metadata
from modelserve.store.trust import environment
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


def test_the_version_is_mlflows_own(monkeypatch: pytest.MonkeyPatch) -> None:
    metadata.mlflow_version.cache_clear()
    assert metadata.mlflow_version() == version("mlflow")

    def absent(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(environment, "version", absent)
    metadata.mlflow_version.cache_clear()
    assert metadata.mlflow_version() == "none"
    metadata.mlflow_version.cache_clear()
