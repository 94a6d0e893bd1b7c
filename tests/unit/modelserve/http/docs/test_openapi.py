from __future__ import annotations

import json
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate

from modelserve.http.docs import openapi
from modelserve.schema.signature import Signature
from modelserve.schema.types import SCALARS
from signatures import nameless, signature, signature_of, tensor
from tiny import Tiny, loaded

NESTED = signature_of(
    [
        {"name": "l", "type": "array", "items": {"type": "map", "values": {"type": "long"}}},
        {"name": "o", "type": "object", "properties": {"when": {"type": "datetime"}}, "required": False},
        {"name": "x", "type": "any"},
    ]
)
SIGNATURES: dict[str, Signature | None] = {
    "none": None,
    "every scalar": signature(**{f"c_{kind}": kind for kind in SCALARS}),
    "optional": signature(a="long", b="double?"),
    "all optional": signature(a="double?", b="string?"),
    "nameless": nameless("double", "string"),
    "nested": NESTED,
    "tensor": signature_of([tensor("float32", -1, 28, 28)]),
    "tensors": signature_of([tensor("str", -1, name="t"), tensor("bool", -1, 2, name="b")]),
}


def document(known: Signature | None) -> Any:
    with loaded(Tiny(methods=("predict", "predict_proba")), known) as made:
        return json.loads(json.dumps(openapi.document(made)))


@pytest.mark.parametrize("name", SIGNATURES)
def test_the_document_is_valid_openapi(name: str) -> None:
    validate(document(SIGNATURES[name]))


def schema(known: Signature | None, name: str) -> OAS31Validator:
    made = document(known)
    return OAS31Validator({**made["components"]["schemas"][name], "components": made["components"]})


@pytest.mark.parametrize(
    ("name", "record", "fits"),
    [
        ("optional", {"a": 1, "b": None, "other": 1}, True),
        ("optional", {"a": 1}, True),
        ("optional", {"b": 0.5}, False),
        ("optional", {"a": None}, False),
        ("optional", {"a": 1.5}, False),
        ("optional", {"a": 2**63}, False),
        ("all optional", {"a": None}, True),
        ("all optional", {}, False),
        ("nested", {"l": [{"k": 1}], "o": {"when": "2024-01-01T00:00:00Z"}, "x": 1}, True),
        ("nested", {"l": [{"k": "no"}], "x": 1}, False),
        ("tensors", {"t": "a", "b": [True, False]}, True),
        ("tensors", {"t": "a", "b": [1]}, False),
        ("none", {"anything": 1}, True),
    ],
)
def test_a_record_fits_its_schema_when_it_fits_the_signature(name: str, record: Any, fits: bool) -> None:
    assert schema(SIGNATURES[name], "Record").is_valid(record) is fits


@pytest.mark.parametrize(
    ("body", "fits"),
    [
        ({"instances": [[1]]}, True),
        ({"dataframe_split": {"data": [[1, 2]]}, "params": {"predict_method": "predict_proba"}}, True),
        ({"instances": [], "inputs": []}, False),
        ({}, False),
        ({"instances": [], "params": {"predict_method": "transform"}}, False),
    ],
)
def test_an_invocation_is_exactly_one_form(body: Any, fits: bool) -> None:
    assert schema(SIGNATURES["optional"], "Invocation").is_valid(body) is fits


def test_a_query_names_the_scalar_columns_and_the_method() -> None:
    parameters = document(SIGNATURES["optional"])["paths"]["/predict"]["get"]["parameters"]
    assert [(one["name"], one["required"]) for one in parameters] == [
        ("a", True),
        ("b", False),
        ("predict_method", False),
    ]
    assert parameters[-1]["schema"]["enum"] == ["predict", "predict_proba"]
