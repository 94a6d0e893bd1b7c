"""Avro schemas from a manifest: names, types and refusals."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import pytest

from command_line import CommandLine
from modelserve.core.errors import BadSetting, NotFound, ServeError, VersionUnusable
from modelserve.store.buckets.objects import Objects
from modelserve.store.names.locations import manifest_name
from modelserve.store.versions.manifest import FileEntry, Manifest
from modelserve_control.common import processes
from modelserve_control.common.errors import NoAvroForm
from modelserve_control.common.progress import Lines
from modelserve_control.publish.schemas.schema import EventFields, schema
from modelserve_control.registry import version_ref
from modelserve_control.registry.promote import promote

SCALARS = {
    "flag": ("boolean", "boolean"),
    "small": ("integer", "int"),
    "large": ("long", "long"),
    "single": ("float", "float"),
    "real": ("double", "double"),
    "text": ("string", "string"),
    "when": ("datetime", "string"),
    "data": ("binary", "bytes"),
}
COMPILED = {
    "kind": "compiled",
    "file": "served.onnx",
    "classes": None,
    "outputs": [{"name": "predict", "kind": "double"}],
}
PART = {"a": {"type": "long"}, "b": {"type": "string", "required": False}}
BOTH = ("predict", "predict_proba")


def column(name: str, kind: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, "required": True} | more


def write(objects: Objects, inputs: list[Any], outputs: Any = None, **more: Any) -> None:
    """Write the manifest of the next version of `m` and promote it to champion. There are no other files."""
    version = str(len(objects.list("models/m/versions/")) + 1)
    files = (FileEntry("MLmodel", 0, 0, "0" * 64),)
    signature = {"inputs": inputs, "outputs": outputs}
    made = Manifest("m", version, files, signature=signature, **{"runtime": COMPILED} | more)
    objects.write(manifest_name("m", version), made.to_bytes(), if_generation_match=0)
    promote(objects, "m", version, "champion")


def input_schema(objects: Objects, fields: EventFields | None = None) -> tuple[dict[str, Any], str]:
    """The schema of the input, and the messages."""
    said = io.StringIO()
    return schema(objects, "m", "input", fields or EventFields(), Lines(said)), said.getvalue()


def prediction_schema(objects: Objects, fields: EventFields | None = None) -> dict[str, Any]:
    return schema(objects, "m", "predictions", fields or EventFields(), Lines(io.StringIO()))


def types(record: Mapping[str, Any]) -> dict[str, Any]:
    return {field["name"]: field["type"] for field in record["fields"]}


def prediction(event: Mapping[str, Any]) -> dict[str, Any]:
    assert list(types(event)) == ["model", "version", "prediction", "prediction_id"]
    return types(types(event)["prediction"])


def test_every_type_of_a_column_has_its_avro_type(objects: Objects) -> None:
    write(objects, [column(name, kind) for name, (kind, _) in SCALARS.items()])
    made, said = input_schema(objects)
    assert (made["type"], made["name"], said) == ("record", "Input", "")
    assert types(made) == {name: avro for name, (_, avro) in SCALARS.items()}


def test_an_optional_column_may_be_null_with_a_warning(objects: Objects) -> None:
    write(objects, [column("x", "double"), column("y", "long", required=False)])
    made, said = input_schema(objects)
    assert made["fields"][1] == {"name": "y", "type": ["null", "long"], "default": None}
    assert said.startswith("warning: y can be or contain null, ")


def test_nested_columns_are_arrays_maps_and_records_with_unique_names(objects: Objects) -> None:
    columns = [
        column("items", "array", items={"type": "double"}),
        column("named", "map", values={"type": "long"}),
        column("one", "object", properties=PART),
        column("many", "array", items={"type": "object", "properties": PART}),
    ]
    write(objects, columns)
    made, said = input_schema(objects)
    found = types(made)
    assert said.startswith("warning: one, many can be or contain null, ")
    assert found["items"] == {"type": "array", "items": "double"}
    assert found["named"] == {"type": "map", "values": "long"}
    assert types(found["one"]) == types(found["many"]["items"]) == {"a": "long", "b": ["null", "string"]}
    assert found["one"]["name"] != found["many"]["items"]["name"]


def test_the_settings_of_the_event_function_shape_the_record(objects: Objects) -> None:
    write(objects, [column("x", "double")], [column("y", "double")])
    flat, _ = input_schema(objects, EventFields(id_field="key", id_type="long"))
    assert types(flat) == {"key": "long", "x": "double"}
    around, _ = input_schema(objects, EventFields("ride", "key"))
    assert (types(around)["key"], types(types(around)["ride"])) == ("string", {"x": "double"})
    assert prediction(prediction_schema(objects, EventFields("ride", "key"))) == {
        "prediction": "double",
        "key": "string",
    }


@pytest.mark.parametrize("name", ["trip distance", "1st", "größe", "a-b", ""])
def test_a_name_that_avro_does_not_allow_is_refused_and_named(name: str, objects: Objects) -> None:
    write(objects, [column("x", "double"), column(name, "double")])
    with pytest.raises(NoAvroForm, match="letters, digits and _") as caught:
        input_schema(objects)
    assert ascii(name) in caught.value.message


def test_nameless_columns_and_values_of_any_type_are_refused(objects: Objects) -> None:
    write(objects, [{"type": "double", "required": True}])
    with pytest.raises(NoAvroForm, match="'0'"):
        input_schema(objects)
    write(objects, [column("x", "any")])
    with pytest.raises(NoAvroForm, match="The column x has the type any"):
        input_schema(objects)


@pytest.mark.parametrize(
    ("classes", "label"), [(["a", "b"], "string"), ([1, 2], "long"), ([False, True], "boolean"), ([0.5, 1.5], "double")]
)
def test_a_classifier_answers_with_a_label_and_a_map_of_probabilities(
    classes: list[Any], label: str, objects: Objects
) -> None:
    write(objects, [column("x", "double")], runtime=COMPILED | {"classes": classes}, methods=BOTH)
    assert prediction(prediction_schema(objects)) == {
        "prediction": label,
        "probabilities": {"type": "map", "values": "double"},
    }


def test_the_presentation_names_the_fields_of_a_result(objects: Objects) -> None:
    classifier: dict[str, Any] = {"runtime": COMPILED | {"classes": ["0", "yes"]}, "methods": BOTH}
    write(objects, [column("x", "double")], presentation={"positive_class": "yes", "label": "churn"}, **classifier)
    assert prediction(prediction_schema(objects)).items() >= {"churn_probability": "double", "churn": "boolean"}.items()
    write(objects, [column("x", "double")], presentation={"positive_class": "yes"}, **classifier)
    assert prediction(prediction_schema(objects)).items() >= {"yes_probability": "double", "yes": "boolean"}.items()
    write(objects, [column("x", "double")], presentation={"positive_class": "0"}, **classifier)
    with pytest.raises(NoAvroForm, match="'0_probability', '0'"):
        prediction_schema(objects)
    write(objects, [column("x", "double")], [column("y", "double")], presentation={"label": "duration"})
    assert prediction(prediction_schema(objects)) == {"duration": "double"}


def test_a_regressor_trained_on_whole_numbers_answers_with_doubles(objects: Objects) -> None:
    write(objects, [column("x", "double")], [column("y", "long")])
    assert prediction(prediction_schema(objects)) == {"prediction": "double"}


@pytest.mark.parametrize(
    ("outputs", "methods", "words"),
    [
        (None, ("predict",), "The signature has no outputs"),
        ([column("p", "double")], ("predict_proba", "predict"), "The model answers with predict_proba"),
        ([column("y", "double"), column("z", "string")], ("predict",), "The outputs have several types"),
        ([column("y", "object", properties=PART)], ("predict",), "The outputs have optional fields"),
    ],
)
def test_outputs_that_the_manifest_does_not_describe_are_refused(
    outputs: Any, methods: tuple[str, ...], words: str, objects: Objects
) -> None:
    write(objects, [column("x", "double")], outputs, methods=methods)
    with pytest.raises(NoAvroForm, match=words):
        prediction_schema(objects)


def test_outputs_of_an_unknown_form_are_refused_in_a_sentence(objects: Objects) -> None:
    write(objects, [column("x", "double")], [{"type": "tensor", "tensor-spec": {"dtype": "complex64", "shape": [-1]}}])
    with pytest.raises(VersionUnusable, match="a form this server does not know"):
        prediction_schema(objects)


def test_a_version_is_found_by_every_name_it_has(objects: Objects) -> None:
    for _ in range(2):
        write(objects, [column("x", "double")])
    promote(objects, "m", "1", "canary")
    names = {"m": "2", "m@champion": "2", "m@canary": "1", "m/1": "1", "m/versions/2": "2"}
    assert {name: version_ref.manifest(objects, name).version for name in names} == names


@pytest.mark.parametrize(
    ("what", "error"),
    [("m/9", NotFound), ("m@nobody", NotFound), ("n", NotFound), ("m@", BadSetting), ("m/versions/", BadSetting)],
)
def test_a_missing_version_is_refused(what: str, error: type[ServeError], objects: Objects) -> None:
    write(objects, [column("x", "double")])
    with pytest.raises(error):
        version_ref.manifest(objects, what)


def test_the_command_prints_the_schema_alone_and_refuses_in_one_sentence(
    objects: Objects, command: CommandLine
) -> None:
    write(objects, [column("a b", "double")], [column("y", "double")])
    ours = CommandLine(command.store, processes.with_sources({}) | dict(command.environment))
    printed = ours("schema", "m")
    assert (printed.out.splitlines()[0], printed.err) == ("{", "")
    refused = ours("schema", "m", "--of", "input", code=1)
    assert (refused.out, refused.err.count("\n")) == ("", 1)
    assert ours.json("schema", "m", "--of", "input", code=1)["error_code"] == "NO_AVRO_FORM"
