from __future__ import annotations

from typing import Any

import pytest

from modelserve.core.errors import InvalidParams, MalformedRequest, TooLarge
from modelserve.payloads import Payload
from modelserve.payloads.json import oip_v2
from modelserve.schema.signature import Signature
from signatures import LIMITS, nameless, signature, signature_of, tensor

Input = dict[str, Any]


def entry(name: Any = "a", shape: Any = (2,), datatype: Any = "INT64", data: Any = (1, 2)) -> Input:
    listed = [list(item) if isinstance(item, tuple) else item for item in (shape, data)]
    return {"name": name, "shape": listed[0], "datatype": datatype, "data": listed[1]}


def parse(*inputs: Any, known: Signature | None = None, **more: Any) -> Payload:
    return oip_v2.parse({"inputs": list(inputs), **more}, known, LIMITS)


PAIR = signature(a="long", s="string")
TENSOR = signature_of([tensor("float64", -1, 2, name="t")])
NUMBERS = signature(a="long", b="double")
TEXTS = entry("s", (2,), "BYTES", ("x", "y"))

COLUMNS: list[tuple[Signature | None, list[Input], dict[str, list[Any]]]] = [
    (PAIR, [entry(), TEXTS], {"a": [1, 2], "s": ["x", "y"]}),
    (PAIR, [TEXTS, entry(shape=(2, 1))], {"a": [1, 2], "s": ["x", "y"]}),
    (PAIR, [entry(shape=(2, 1), data=([1], [2])), TEXTS], {"a": [1, 2], "s": ["x", "y"]}),
    (nameless("long", "string"), [entry("p"), entry("q", (2,), "BYTES", ("x", "y"))], {"0": [1, 2], "1": ["x", "y"]}),
    (None, [entry("b", (2,), "BOOL", (True, None))], {"b": [True, None]}),
    (None, [entry("f", (2,), "FP32", (1, 2.5))], {"f": [1, 2.5]}),
    (TENSOR, [entry("t", (2, 2), "FP64", (1, 2, 3, 4))], {"t": [[1, 2], [3, 4]]}),
    (TENSOR, [entry("t", (1, 2), "FP64", ([1, 2],))], {"t": [[1, 2]]}),
    (None, [entry("t", (1, 2, 3), "FP64", (1, 2, 3, 4, 5, 6))], {"t": [[[1, 2, 3], [4, 5, 6]]]}),
    (signature_of([tensor("int64", -1, 1, name="t")]), [entry("t", (2, 1))], {"t": [[1], [2]]}),
    (NUMBERS, [entry("input-0", (2, 2), "FP64", (1, 2, 3, 4.5))], {"a": [1, 3], "b": [2, 4.5]}),
    (nameless("double", "double"), [entry("x", (1, 2))], {"0": [1], "1": [2]}),
    (None, [entry("x", (1, 2))], {"0": [1], "1": [2]}),
]

REFUSED: list[tuple[Any, str]] = [
    ([], "The body must be an object with inputs"),
    ({"inputs": []}, "The body must be an object with inputs"),
    ({"inputs": {"a": 1}}, "The body must be an object with inputs"),
    ({"inputs": [1]}, "Input 0 must be an object with name, shape, datatype and data."),
    ({"inputs": [entry(name=5)]}, "Input 0 must be an object with name, shape, datatype and data."),
    ({"inputs": [entry(shape="2")]}, "The shape of input 0 must be a list of whole numbers above 0, rows first."),
    ({"inputs": [entry(shape=())]}, "The shape of input 0 must be"),
    ({"inputs": [entry(shape=(-2,))]}, "The shape of input 0 must be"),
    ({"inputs": [entry(shape=(True,))]}, "The shape of input 0 must be"),
    ({"inputs": [entry(datatype="FP128")]}, "The datatype of input 0 is not one of BOOL, INT8"),
    ({"inputs": [entry(datatype=["secret"])]}, "The datatype of input 0 is not one of"),
    ({"inputs": [entry(data="secret")]}, "The data of input 0 must be a list, or stand as bytes behind the JSON."),
    ({"inputs": [entry(data=([1], 2))]}, "The data of input 0 is ragged."),
    ({"inputs": [entry(data=(1, 2, 3))]}, "The data of input 0 has 3 items, its shape needs 2."),
    ({"inputs": [entry(shape=(10**20, 10**20))]}, "The data of input 0 has 2 items"),
    ({"inputs": [entry(shape=(10**4000,))]}, "The data of input 0 has 2 items, its shape needs more."),
    ({"inputs": [entry(shape=(10**18,) * 40_000)]}, "The shape of input 0 has more than 32 dimensions."),
    ({"inputs": [entry(shape=(1,) * 33, data=(1,))]}, "The shape of input 0 has more than 32 dimensions."),
    ({"inputs": [entry(shape=(10**18,) * 32)]}, "The data of input 0 has 2 items, its shape needs more."),
    ({"inputs": [entry()], "outputs": [{"name": "a"}, {"name": "a"}]}, "outputs names an output twice."),
    ({"inputs": [entry(data=(1, "secret"))]}, "The data of input 0 holds values that are not INT64."),
    ({"inputs": [entry(data=(1, True))]}, "The data of input 0 holds values that are not INT64."),
    ({"inputs": [entry(), entry()]}, "Input 1 has the name of an earlier one."),
    ({"inputs": [entry(), entry("b", (1,), "INT64", (1,))]}, "The columns are not lists of one length."),
    ({"inputs": [entry()], "outputs": "predict"}, "outputs must be a list of objects with a name"),
    ({"inputs": [entry()], "outputs": [{}]}, "outputs must be a list of objects with a name"),
]


@pytest.mark.parametrize(("known", "inputs", "columns"), COLUMNS)
def test_tensors_become_columns(known: Signature | None, inputs: list[Input], columns: dict[str, list[Any]]) -> None:
    payload = parse(*inputs, known=known)
    assert (payload.table.columns, payload.outputs, payload.method) == (columns, (), None)


@pytest.mark.parametrize(("value", "message"), REFUSED, ids=range(len(REFUSED)))
def test_a_tensor_at_fault_is_named_by_its_place(value: Any, message: str) -> None:
    with pytest.raises(MalformedRequest) as raised:
        oip_v2.parse(value, None, LIMITS)
    assert message in raised.value.message
    assert "secret" not in raised.value.message


def test_more_inputs_than_columns_are_refused_before_any_is_read() -> None:
    """A body has room for 150,000."""
    with pytest.raises(TooLarge, match="MAX_COLUMNS"):
        oip_v2.parse({"inputs": [1] * (LIMITS.columns + 1)}, None, LIMITS)


def test_parameters_and_outputs_name_methods() -> None:
    payload = parse(
        entry(), parameters={"predict_method": "p", "k": 1}, outputs=[{"name": "predict"}, {"name": "predict_proba"}]
    )
    assert (payload.method, payload.params, payload.outputs) == ("p", {"k": 1}, ("predict", "predict_proba"))


PARAM = signature_of([{"name": "a", "type": "long"}], [{"name": "timeout", "type": "long", "default": 1}])


@pytest.mark.parametrize("name", sorted(oip_v2.IGNORED))
def test_parameters_of_the_protocol_are_ignored_unless_the_model_has_a_param_of_the_name(name: str) -> None:
    given = {name: 5, "k": 1}
    assert parse(entry(), parameters=given).params == {"k": 1}
    assert parse({**entry(), "parameters": given}, parameters=None).params == {}
    assert parse(entry(), known=PARAM, parameters={"timeout": 5, "headers": {}}).params == {"timeout": 5}


@pytest.mark.parametrize("name", oip_v2.REFUSED)
def test_parameters_that_ask_for_what_is_not_here_are_named(name: str) -> None:
    asked = {"parameters": {name: 1}}
    for body in (
        {"inputs": [entry()], **asked},
        {"inputs": [{**entry(), **asked}]},
        {"inputs": [entry()], "outputs": [{"name": "predict", **asked}]},
    ):
        with pytest.raises(InvalidParams, match=f"The parameter {name} is not supported"):
            oip_v2.parse(body, None, LIMITS)


@pytest.mark.parametrize(
    ("outputs", "parameters", "binary"),
    [
        (None, None, ()), (None, {"binary_data_output": True}, (True,)), (None, {"binary_data_output": False}, ()),
        ([{"name": "a"}, {"name": "b", "parameters": {"binary_data": True}}], None, (False, True)),
        ([{"name": "a"}, {"name": "b", "parameters": {"binary_data": False}}], {"binary_data_output": True}, (True, False)),
        ([{"name": "a", "parameters": {"binary_data": False}}], {}, ()),
    ],
)  # fmt: skip
def test_outputs_say_which_of_them_go_as_bytes(outputs: Any, parameters: Any, binary: tuple[bool, ...]) -> None:
    assert parse(entry(), outputs=outputs, parameters=parameters).binary == binary


ANSWERS: list[tuple[Any, str, list[int], list[Any]]] = [
    ([1.5, None], "BYTES", [2], ["1.5", "null"]),
    ([1.5, 2], "FP64", [2], [1.5, 2.0]),
    ([[0.1, 0.9]], "FP64", [1, 2], [0.1, 0.9]),
    ([1, -2], "INT64", [2], [1, -2]),
    ([2**63], "UINT64", [1], [2**63]),
    ([2**64], "BYTES", [1], [str(2**64)]),
    ([True], "BOOL", [1], [True]),
    (["a", "b"], "BYTES", [2], ["a", "b"]),
    ([{"x": 1.0}], "BYTES", [1], ['{"x":1.0}']),
    ([[1], [1, 2]], "BYTES", [2], ["[1]", "[1,2]"]),
    ({"x": 1}, "BYTES", [1], ['{"x":1}']),
    ("text", "BYTES", [1], ["text"]),
    (5.0, "FP64", [1], [5.0]),
    ([], "FP64", [0], []),
]


@pytest.mark.parametrize(("predictions", "datatype", "shape", "data"), ANSWERS)
def test_predictions_become_one_tensor(predictions: Any, datatype: str, shape: list[int], data: list[Any]) -> None:
    made = oip_v2.output_of("predict", predictions).as_json()
    assert made == {"name": "predict", "shape": shape, "datatype": datatype, "data": data}


@pytest.mark.parametrize(
    ("value", "is_v2"),
    [({"inputs": [entry()]}, True), ({"inputs": [[1]]}, False), ({"inputs": []}, False), ({"inputs": {}}, False), ({}, False)],
)  # fmt: skip
def test_tensors_are_told_from_mlflows_inputs(value: Any, is_v2: bool) -> None:
    assert oip_v2.is_v2(value) is is_v2
