from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from modelserve.core.errors import StoreUnavailable
from modelserve.http.docs.columns import example_records, record_schema
from modelserve.models.loader import PROFILE
from modelserve.schema.batch import Batch
from modelserve.schema.signature import Signature
from signatures import signature, signature_of, tensor
from tiny import Tiny, loaded

CHURN = signature(contract="string", tenure="long?", monthly="double")
NUMBERS = {"kind": "number", "edges": [0.0, 1.0, 9.0, 72.0], "below": [0, 25, 50, 75], "at_most": [25, 50, 75, 100]}
COLUMNS: dict[str, Any] = {
    "contract": {"kind": "category", "counts": {"monthly": 60, "yearly": 40}, "others": 0},
    "tenure": NUMBERS,
}


def schema(known: Signature | None, **more: Any) -> Any:
    with loaded(Tiny(), known, **more) as made:
        return record_schema(made)


def profile(columns: Mapping[str, Any]) -> Callable[[], bytes]:
    return lambda: json.dumps({"format": 1, "rows": 100, "columns": columns}).encode()


def test_the_profile_gives_categories_and_quantiles() -> None:
    found = schema(CHURN, read_profile=profile(COLUMNS))["properties"]
    assert found["contract"]["enum"] == ["monthly", "yearly"]
    assert found["tenure"]["anyOf"][0]["x-quantiles"] == [0.0, 0.0, 1.0, 9.0, 72.0]
    assert found["monthly"] == {"type": "number"}


def test_what_the_model_knows_comes_before_the_profile_which_may_have_more() -> None:
    known = {"contract": ["yearly"]}
    found = schema(CHURN, read_profile=profile(COLUMNS), categories=known)["properties"]
    assert found["contract"]["enum"] == ["yearly"]
    more = profile(COLUMNS | {"contract": {**COLUMNS["contract"], "others": 1}})
    assert "enum" not in schema(CHURN, read_profile=more)["properties"]["contract"]


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", None], ids=["empty", "a list", "without columns", "unreachable"])
def test_a_profile_that_cannot_be_read_is_as_none(data: bytes | None) -> None:
    def read() -> bytes:
        if data is None:
            raise StoreUnavailable("The store does not answer.")
        return data

    assert "x-quantiles" not in str(schema(CHURN, read_profile=read))


def test_examples_are_rows_of_the_sample_as_a_body_has_them() -> None:
    known = signature(when="datetime", data="binary", count="long?", flag="boolean")
    columns = {
        "when": np.array(["2024-05-01T10:00:00"], "datetime64[ns]"),
        "data": np.array([b"a" * 60], object),
        "count": np.array([np.nan]),
        "flag": np.array([True]),
    }
    with loaded(Tiny(), known, sample=Batch(columns, 1)) as made:
        (record,) = example_records(made)
    assert record == {"when": "2024-05-01T10:00:00.000000000", "data": "YWFh" * 20, "count": None, "flag": True}


def test_without_a_sample_the_example_is_a_record_that_fits() -> None:
    known = signature_of([{"name": "c", "type": "string"}, {"name": "l", "type": "array", "items": {"type": "long"}}])
    with loaded(Tiny(), known, categories={"c": ["a", "b"]}) as made:
        assert example_records(made) == [{"c": "a", "l": []}]
    with loaded(Tiny(), signature_of([tensor("float32", -1, 2, 3)])) as made:
        assert list(example_records(made)[0].values()) == [[[0, 0, 0], [0, 0, 0]]]


def test_the_file_is_that_which_publishing_writes() -> None:
    assert PROFILE == "profile.json"
