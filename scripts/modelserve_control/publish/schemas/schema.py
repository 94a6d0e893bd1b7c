"""`modelserve schema`: the Avro schemas of the messages of a version.

Pub/Sub checks JSON messages with Avro's JSON encoding, which wraps every value of a union except null: {"double": 1.5}.
Our prediction events are plain JSON, so their schema has no union.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from modelserve.models.native.runtime import ROW_WISE
from modelserve.payloads.predictions import Presentation
from modelserve.schema.signature import Column, Signature, from_mlmodel
from modelserve.store.buckets.objects import Objects, read_object
from modelserve.store.names.locations import version_prefix
from modelserve.store.trust import mlmodel
from modelserve.store.versions.manifest import Manifest
from modelserve_control.common.errors import NoAvroForm
from modelserve_control.common.progress import Progress
from modelserve_control.publish.schemas.avro import Avro, Type, array, has_union, make_optional, record
from modelserve_control.registry import version_ref

LABELS: Final[Mapping[type, str]] = {str: "string", bool: "boolean", int: "long", float: "double"}


@dataclass(frozen=True)
class EventFields:
    """The settings EVENT_FEATURES_FIELD and EVENT_ID_FIELD of the event function, and the Avro type of the ids."""

    features_field: str | None = None
    id_field: str | None = None
    id_type: str = "string"


def schema(objects: Objects, what: str, part: str, fields: EventFields, progress: Progress) -> dict[str, Any]:
    """`part` is predictions or input. Raises NotFound and NoAvroForm."""
    manifest = version_ref.manifest(objects, what)
    if part == "input":
        return input_record(manifest, fields, progress)
    return prediction_event(objects, manifest, fields)


# --- input ---


def input_record(manifest: Manifest, fields: EventFields, progress: Progress) -> dict[str, Any]:
    """A record of the columns, inside another record if there is a features field."""
    avro = Avro()
    columns = {
        column.name: make_optional(avro.make_type(column.kind, f"The column {column.name}"), column.required)
        for column in read_signature(manifest).columns
    }
    unions = [name for name, made in columns.items() if has_union(made)]
    if unions:
        progress.say(
            f"warning: {', '.join(unions)} can be or contain null, and Avro's JSON encoding wraps their other values; the event function "
            "needs plain JSON, so leave the input topic without a schema"
        )
    own: dict[str, Type] = {fields.id_field: fields.id_type} if fields.id_field else {}
    if fields.features_field:
        return record("Input", {fields.features_field: record("Features", columns)} | own)
    return record("Input", own | columns)


def read_signature(manifest: Manifest) -> Signature:
    found = from_mlmodel(manifest.signature)
    if found is None:
        raise NoAvroForm(f"{manifest.name} version {manifest.version} has no signature; publish it with --data FILE.")
    return found


# --- predictions ---


def prediction_event(objects: Objects, manifest: Manifest, fields: EventFields) -> dict[str, Any]:
    """See `modelserve.events.results.make_result`. Requests with predict_method have results of other forms."""
    presentation = Presentation.from_manifest(manifest.presentation)
    label = label_type(manifest)
    if label is None:
        result = {presentation.label or "prediction": prediction_type(objects, manifest)}
    else:
        result = classifier_result(presentation, label)
    if fields.id_field:
        result[fields.id_field] = fields.id_type
    prediction = record("Prediction", result)
    if has_union(prediction):
        raise NoAvroForm(
            "The outputs have optional fields, which need a union, and plain JSON does not wrap its values."
        )
    event: dict[str, Type] = {"model": "string", "version": "string", "prediction": prediction}
    return record("PredictionEvent", event | {"prediction_id": "string"})


def classifier_result(presentation: Presentation, label: Type) -> dict[str, Type]:
    """As `payloads.predictions.results`, in which later keys replace earlier ones. A map allows any label as a key."""
    result: dict[str, Type] = {"prediction": label, "probabilities": {"type": "map", "values": "double"}}
    if presentation.positive_class is not None:
        name = presentation.label or presentation.positive_class
        result |= {f"{name}_probability": "double", name: "boolean"}
    return result


def label_type(manifest: Manifest) -> Type | None:
    """The type of the labels of a classifier; None for a model without probabilities."""
    if not {"predict", "predict_proba"} <= set(manifest.methods):
        return None
    if manifest.runtime["kind"] == "compiled":
        classes = manifest.runtime.get("classes")
        return LABELS[type(classes[0])] if classes else None
    outputs = output_columns(manifest)
    # Several outputs have separate labels, and their results have no probabilities.
    return Avro().make_type(outputs[0].kind, "The label") if len(outputs) == 1 else None


def prediction_type(objects: Objects, manifest: Manifest) -> Type:
    """The type of a prediction without probabilities."""
    avro = Avro()
    outputs = output_columns(manifest)
    types = {output.name: avro.make_type(output.kind, f"The output {output.name}") for output in outputs}
    if not is_row_wise(objects, manifest):
        return next(iter(types.values())) if len(types) == 1 else record("Answer", types)
    # Signatures are often inferred from training labels. These may be integers although a regressor predicts doubles.
    found = [widen_to_double(made) for made in types.values()]
    if any(made != found[0] for made in found):
        raise NoAvroForm("The outputs have several types in one array; leave the topic without a schema.")
    return found[0] if len(found) == 1 else array(found[0])


def widen_to_double(made: Type) -> Type:
    if isinstance(made, dict) and made["type"] == "array":
        return array(widen_to_double(made["items"]))
    return "double" if made in ("int", "long", "float") else made


def output_columns(manifest: Manifest) -> tuple[Column, ...]:
    """The outputs in the signature, which describe the default method."""
    found = from_mlmodel({"inputs": (manifest.signature or {}).get("outputs")})
    if found is None:
        raise NoAvroForm("The signature has no outputs; save the model with infer_signature(X, model.predict(X)).")
    if manifest.methods[0] != "predict":
        raise NoAvroForm(
            f"The model answers with {manifest.methods[0]}, which the outputs of the signature describe but events do not "
            "contain; publish it with predict as its default method."
        )
    return found.columns


def is_row_wise(objects: Objects, manifest: Manifest) -> bool:
    """Whether the model returns one array, whatever the names of its outputs."""
    if manifest.runtime["kind"] == "compiled":
        return True
    data, _ = read_object(objects, f"{version_prefix(manifest.name, manifest.version)}/MLmodel", mlmodel.MAX_BYTES)
    return mlmodel.config(mlmodel.parse(data)).loader_module in ROW_WISE
