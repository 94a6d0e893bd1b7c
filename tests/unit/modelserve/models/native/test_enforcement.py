"""For valid input the model sees what pyfunc would have given it; where MLflow refuses or changes it, that is data here."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from modelserve.models.native.runtime import NativeRuntime
from modelserve.payloads.tables import from_records, from_rows
from modelserve.schema.signature import Signature, from_mlmodel
from modelserve.store.trust.mlmodel import ModelConfig
from signatures import LIMITS, signature_of, tensor

Spec = dict[str, Any]


pytestmark = pytest.mark.filterwarnings("ignore")  # what MLflow's imports and casts deprecate is not ours to mend


def column(kind: str, required: bool = True, **more: Any) -> Spec:
    return {"name": "c", "type": kind, "required": required, **more}


ARRAY: Spec = {"items": {"type": "long"}}
OBJECT: Spec = {"properties": {"a": {"type": "long"}, "b": {"type": "string", "required": False}}}

EQUAL: list[tuple[Spec, list[Any]]] = [
    (column("integer"), [1, -(2**31)]),
    (column("long"), [1, 2**62]),
    (column("float"), [1.5, 2]),
    (column("double"), [1.5, 3]),
    (column("boolean"), [True, False]),
    (column("string"), ["a", ""]),
    (column("binary"), ["YQ==", "YWI=\n"]),
    (column("datetime"), ["2024-01-02T03:04:05", "2024-01-02T03:04:06"]),
    (column("integer", False), [1, 2]),
    (column("float", False), [1.5, None]),
    (column("double", False), [1.5, None]),
    (column("string", False), ["a", None]),
    (column("datetime", False), ["2024-01-02T03:04:05", None]),
    (column("array", **ARRAY), [[1, 2], []]),
    (column("object", **OBJECT), [{"a": 1, "b": "x"}, {"a": 2}]),
    (column("map", values={"type": "double"}), [{"k": 1.5}, {}]),
    (column("any"), [1, "x"]),
]

# What MLflow refuses although the signature allows it, and the dtype the model sees here.
REFUSED_BY_MLFLOW: list[tuple[Spec, list[Any], str]] = [
    (column("integer", False), [1, None], "float64"),
    (column("long", False), [1, None], "float64"),
    (column("binary", False), ["YQ==", None], "object"),
    (column("datetime"), ["2024-01-02T03:04:05", "2024-01-02T03:04:05.5"], "datetime64[ns]"),
]


def ours(spec: Spec, values: list[Any]) -> Any:
    known = signature_of([spec])
    return model_input(known, from_records([{"c": value} for value in values], known, LIMITS))


def model_input(known: Signature, table: Any) -> Any:
    runtime = NativeRuntime({"predict": len}, None, ModelConfig({}, "m"), known)  # only its input is looked at
    return runtime.model_input(known.check(table))


def mlflows(spec: Spec, values: list[Any]) -> Any:
    from mlflow.models.utils import _enforce_schema
    from mlflow.types import Schema
    from mlflow.utils.proto_json_utils import dataframe_from_parsed_json

    schema = Schema.from_json(json.dumps([spec]))
    data = dataframe_from_parsed_json([{"c": value} for value in values], "records", schema=schema)  # type: ignore[no-untyped-call]  # MLflow leaves it untyped
    return _enforce_schema(data, schema)


@pytest.mark.parametrize(("spec", "values"), EQUAL, ids=[f"{spec['type']}-{spec['required']}" for spec, _ in EQUAL])
def test_the_model_sees_the_frame_that_pyfunc_would_give_it(spec: Spec, values: list[Any]) -> None:
    import pandas as pd

    pd.testing.assert_frame_equal(ours(spec, values), mlflows(spec, values))


@pytest.mark.parametrize(("spec", "values", "dtype"), REFUSED_BY_MLFLOW)
def test_what_mlflow_refuses_against_its_own_signature_is_taken(spec: Spec, values: list[Any], dtype: str) -> None:
    from mlflow.exceptions import MlflowException

    with pytest.raises(MlflowException):
        mlflows(spec, values)
    assert ours(spec, values)["c"].dtype == dtype


def test_mlflow_turns_a_null_boolean_into_false_and_this_kit_does_not() -> None:
    spec = column("boolean", False)
    assert mlflows(spec, [True, None])["c"].tolist() == [True, False]
    assert ours(spec, [True, None])["c"].tolist() == [True, None]


def test_an_absent_optional_column_is_null_here_and_left_out_by_mlflow() -> None:
    import pandas as pd
    from mlflow.models.utils import _enforce_schema
    from mlflow.types import Schema

    specs = [column("long"), {"name": "d", "type": "double", "required": False}]
    theirs = _enforce_schema(pd.DataFrame({"c": [1]}), Schema.from_json(json.dumps(specs)))
    known = signature_of(specs)
    found = model_input(known, from_records([{"c": 1}], known, LIMITS))
    pd.testing.assert_frame_equal(found[["c"]], theirs)
    assert found["d"].isna().all()


@pytest.mark.parametrize(
    ("dtype", "shape", "value"),
    [("float64", (-1, 2), [[1.5, 2], [3, 4]]), ("float32", (-1, 1), [[0.1]]), ("int64", (-1, 2, 1), [[[1], [2]]]), ("uint8", (-1,), [1, 255])],
)  # fmt: skip
def test_a_tensor_is_the_array_that_pyfunc_would_give_it(dtype: str, shape: tuple[int, ...], value: Any) -> None:
    from mlflow.models.utils import _enforce_schema
    from mlflow.pyfunc.scoring_server import _split_data_and_params, infer_and_parse_data
    from mlflow.types import Schema

    spec = tensor(dtype, *shape)
    schema = Schema.from_json(json.dumps([spec]))
    data, _ = _split_data_and_params(json.dumps({"inputs": value}))  # type: ignore[no-untyped-call]  # untyped in MLflow
    theirs = _enforce_schema(infer_and_parse_data(data, schema), schema)
    known = from_mlmodel({"inputs": schema.to_json()})
    assert known is not None
    found = model_input(known, from_rows(value, known, LIMITS))
    assert found.dtype == theirs.dtype
    np.testing.assert_array_equal(found, theirs)


def test_named_tensors_are_a_dict_and_nameless_columns_a_frame_of_numbers() -> None:
    named = signature_of([tensor("float64", -1, 2, name="t")])
    assert list(model_input(named, from_records([{"t": [1, 2]}], named, LIMITS))) == ["t"]
    numbers = signature_of([{"type": "long"}, {"type": "double"}])
    frame = model_input(numbers, from_records([{"0": 1, "1": 2.5}], numbers, LIMITS))
    assert list(frame.columns) == [0, 1]
