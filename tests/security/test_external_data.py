"""An ONNX file may say that its tensors are in other files; none is loaded, whatever MODEL_TRUST says."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import yaml
from onnx import ModelProto, TensorProto
from onnx.onnx_ml_pb2 import DESCRIPTOR

from command_line import CommandLine
from models import external
from models.external import CANARY, CONTENT, PLACES, SECRET, VALUES
from modelserve.core.errors import VersionRefused
from modelserve.models.compiled.runtime import PLAN, SMALLER, load, open_session
from modelserve.store.trust.external_data import TENSORS_BELOW, refuse_external_data
from modelserve.store.trust.policy import check

NEVER_READ = {"list of tensors", "list of sparse tensors", "list of graphs"}  # no operator takes such a list
NEVER_READ |= {"initialization of a training", "algorithm of a training"}  # and scoring is no training
REFUSED = "keeps tensors in other files"
MALFORMED = "is not in the form that ONNX writes"


@pytest.fixture(autouse=True)
def canary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the working directory, where ONNX Runtime looks for what a model of bytes names."""
    (tmp_path / CANARY).write_bytes(CONTENT)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("place", PLACES)
def test_no_place_for_a_tensor_is_overlooked(place: str) -> None:
    data = PLACES[place]().SerializeToString()
    with pytest.raises(VersionRefused, match=REFUSED):
        open_session(data)


@pytest.mark.parametrize("place", PLACES.keys() - NEVER_READ - {"indices of a sparse initializer"})
def test_onnx_runtime_itself_would_have_read_it(place: str) -> None:
    """Else the test above would prove nothing."""
    session = onnxruntime.InferenceSession(PLACES[place]().SerializeToString(), providers=["CPUExecutionProvider"])
    (answer,) = session.run(None, {"x": np.zeros(VALUES, np.float32)})
    assert set(answer.tolist()) == {SECRET}


def test_every_field_of_onnx_that_can_hold_a_tensor_is_known() -> None:
    """Of the release that publishing uses: a later one may have more."""
    messages = DESCRIPTOR.message_types_by_name
    holders = {"TensorProto"}
    found: dict[str, dict[int, str]] = {}
    while len(found) < len(holders):
        found = {
            name: {
                field.number: field.message_type.name
                for field in message.fields
                if field.message_type is not None and field.message_type.name in holders
            }
            for name, message in messages.items()
            if name in holders
        }
        holders |= {
            name
            for name, message in messages.items()
            if any(field.message_type is not None and field.message_type.name in holders for field in message.fields)
        }
    assert found == TENSORS_BELOW


def test_a_smaller_graph_in_the_metadata_is_looked_through_too() -> None:
    whole = external.model(
        external.graph(external.constant(onnx.helper.make_attribute("value", external.inside())), external.ADD)
    )
    smaller = [{"methods": ["y"], "graph": b64encode(external.initializer().SerializeToString()).decode()}]
    onnx.helper.set_model_props(whole, {PLAN: "{}", SMALLER: json.dumps(smaller)})
    with pytest.raises(VersionRefused, match=REFUSED):
        load(whole.SerializeToString(), {"outputs": [{"name": "y"}]})


def saved(directory: Path, data: bytes, path: str = "model.onnx") -> Path:
    """As `mlflow.onnx.save_model` writes it."""
    directory.mkdir()
    (directory / path).write_bytes(data)
    described = {"inputs": json.dumps([{"type": "float", "name": "x"}])}
    pyfunc = {"loader_module": "mlflow.onnx", "data": path}
    flavor = {"data": path, "providers": ["CPUExecutionProvider"], "code": None}
    (directory / "MLmodel").write_text(
        yaml.safe_dump({"flavors": {"python_function": pyfunc, "onnx": flavor}, "signature": described})
    )
    return directory


@pytest.mark.parametrize("trust", ["strict", "pickle"])
@pytest.mark.parametrize("place", PLACES)
def test_a_model_in_mlflows_form_is_refused_before_it_is_loaded(place: str, trust: str, tmp_path: Path) -> None:
    directory = saved(tmp_path / "model", PLACES[place]().SerializeToString())
    with pytest.raises(VersionRefused, match=REFUSED):
        check(directory, trust)


def test_a_graph_beside_another_model_is_looked_through_too(tmp_path: Path) -> None:
    """That is where publishing puts the compiled form."""
    directory = saved(tmp_path / "model", external.initializer().SerializeToString())
    mlmodel = yaml.safe_load((directory / "MLmodel").read_text())
    mlmodel["flavors"]["python_function"] = {"loader_module": "mlflow.sklearn", "model_path": "model.skops"}
    (directory / "MLmodel").write_text(yaml.safe_dump(mlmodel))
    (directory / "model.skops").touch()
    with pytest.raises(VersionRefused, match=REFUSED):
        check(directory, "pickle")


@pytest.mark.parametrize("command", ["directory"], indirect=True)
def test_publishing_refuses_it(command: CommandLine, tmp_path: Path) -> None:
    directory = saved(tmp_path / "model", external.initializer().SerializeToString())
    error = command.json("publish", directory, "--name", "m", "--trust", "pickle", code=1)
    assert error["error_code"] == "VERSION_REFUSED"
    assert "save_as_external_data=False" in error["message"]
    assert not list(tmp_path.rglob("manifest.json"))


def whole() -> ModelProto:
    """A model of some of everything, with nothing outside."""
    main = external.graph(
        external.constant(onnx.helper.make_attribute("value", external.inside())),
        external.ADD,
        onnx.helper.make_node("Numbers", ["x"], ["z"], domain="own", floats=[0.5] * 1_000, ints=[-1, 1 << 40, 0] * 99),
    )
    main.initializer.append(external.inside("n", TensorProto.INT64))
    main.initializer[0].data_location = TensorProto.DEFAULT
    main.initializer[0].doc_string = CANARY
    return external.model(main)


def test_what_holds_its_own_tensors_passes() -> None:
    refuse_external_data(whole().SerializeToString())
    refuse_external_data(b"")  # ONNX Runtime says what is wrong with that


def location(value: bytes) -> Callable[[], bytes]:
    """A model whose only initializer has these bytes."""

    def make() -> bytes:
        graph = b"\x2a" + bytes([len(value)]) + value
        return b"\x3a" + bytes([len(graph)]) + graph

    return make


def nested(levels: int) -> bytes:
    """Graphs in attributes of nodes of graphs."""
    data = b""
    for field in [b"\x3a", *[b"\x0a", b"\x2a", b"\x32"] * levels][::-1]:
        size, length = len(data), b""
        while size >= 0x80:
            length += bytes([size & 0x7F | 0x80])
            size >>= 7
        data = field + length + bytes([size]) + data
    return data


HIDDEN = {
    "location in a longer form": location(b"\x70\x81\x80\x00"),
    "location that protobuf cuts to external": location(b"\x70\x81\x80\x80\x80\x10"),
    "location that is said twice": location(b"\x70\x01\x70\x00"),
    "location of another kind": location(b"\x72\x01\x01"),
    "data without a location": location(b"\x6a\x00"),
    "data, with its number in a longer form": location(b"\xea\x00\x00"),
}
BROKEN = {
    "a number that protobuf cuts to that of the data": location(b"\xea\x80\x80\x80\x10\x00"),
    "number that never ends": location(b"\x08" + b"\xff" * 11),
    "number that is cut off": lambda: b"\x3a\x02\x08\xff",
    "longer than its message": lambda: b"\x3a\x04\x2a\x05\x00\x00",
    "longer than the file": lambda: b"\x3a\x7f",
    "eight bytes that are cut off": lambda: b"\x09\x00",
    "four bytes that are cut off": lambda: b"\x3a\x02\x0d\x00",
    "a group": lambda: b"\x3b\x3c",
    "the end of a group": lambda: b"\x3c",
    "a kind that there is not": lambda: b"\x3e",
    "the field 0": lambda: b"\x00\x00",
    "a graph that is a number": lambda: b"\x38\x00",
    "nothing after its number": lambda: b"\x3a",
    "nested deeper than protobuf reads": lambda: nested(40),
    "ONNX Runtime's own form": lambda: b"\x1a\x06ABORTM",
    "text": lambda: b"not a model",
}


@pytest.mark.parametrize("make", HIDDEN.values(), ids=HIDDEN.keys())
def test_another_way_to_say_it_does_not_hide_it(make: Callable[[], bytes]) -> None:
    with pytest.raises(VersionRefused, match=REFUSED):
        refuse_external_data(make())


@pytest.mark.parametrize("make", BROKEN.values(), ids=BROKEN.keys())
def test_what_is_no_onnx_is_refused_as_such(make: Callable[[], bytes]) -> None:
    with pytest.raises(VersionRefused, match=MALFORMED):
        refuse_external_data(make())


def test_no_cut_or_changed_byte_makes_it_raise_otherwise_or_hides_what_protobuf_finds() -> None:
    """Whatever protobuf can read and finds outside is refused."""
    good = external.initializer().SerializeToString()
    damaged = [good[:end] for end in range(len(good))]
    damaged += [good[:at] + bytes([value]) + good[at + 1 :] for at in range(len(good)) for value in range(0, 256, 5)]
    for data in damaged:
        try:
            refuse_external_data(data)
        except VersionRefused:
            continue
        assert not says_external(data)


def says_external(data: bytes) -> bool:
    try:
        found = onnx.ModelProto.FromString(data)
    except Exception:  # protobuf's own DecodeError
        return False
    return any(tensor.data_location or tensor.external_data for tensor in found.graph.initializer)
