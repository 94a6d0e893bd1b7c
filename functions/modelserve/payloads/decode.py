"""From the bytes of a request to its table, whatever its media type and form.

JSON is first read by the types of the signature (`typed`). What they refuse goes to the decoder that reports errors.

To add a wire format, write a module with `parse(data, signature, limits)`, and add its media type to `MEDIA_TYPES` and to
`predict_paths` in http/docs/openapi.py, and a branch to `decode_body`. V2 takes no other media types than `v2_media_type` in
http/app.py allows. If its library can crash, it must be decoded in the decoder process: see where `http/` names PARQUET.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import StrEnum
from typing import Any, Final, NamedTuple

from modelserve.core.errors import MalformedRequest
from modelserve.payloads import Limits, Payload, tables
from modelserve.payloads.binary_tensors import split_body
from modelserve.payloads.json import mlflow as invocations
from modelserve.payloads.json import oip_v2
from modelserve.payloads.json import records as plain_records
from modelserve.payloads.json import strict as strict_json
from modelserve.payloads.json.typed.cells import Categories
from modelserve.payloads.json.typed.decoder import TypedDecoder
from modelserve.payloads.known_tensors import KnownTensors
from modelserve.schema.batch import Batch
from modelserve.schema.signature import Signature, check_table

JSON, CSV, PARQUET = "application/json", "text/csv", "application/vnd.apache.parquet"
MEDIA_TYPES: Final = (JSON, CSV, PARQUET)
BINARY: Final = "application/octet-stream"
JSON_SIZE: Final = b"inference-header-content-length"


def binary_type(json_size: int) -> str:
    """The media type of a V2 body whose JSON has so many bytes, and is followed by those of its tensors."""
    return f"{BINARY}; json={json_size}"


def json_size_of(media_type: str) -> int:
    return int(media_type.rpartition("=")[2])


class Protocol(StrEnum):
    PREDICT = "predict"  # plain records, and all of MLflow's forms
    INVOCATIONS = "invocations"  # MLflow's forms
    V2 = "v2"  # the Open Inference Protocol


def parse_predict(value: Any, signature: Signature | None, limits: Limits) -> Payload:
    if invocations.is_form(value, signature):
        return invocations.parse(value, signature, limits)
    return plain_records.parse(value, signature, limits)


class JsonForms(NamedTuple):
    """The two decoders of the JSON that a protocol has."""

    parse: Callable[[Any, Signature | None, Limits], Payload]
    """From decoded values, with a reason for whatever is wrong."""
    read: Callable[[TypedDecoder, bytes], Payload | None]
    """From bytes by the types of a signature: only what is right, and fast."""


JSON_FORMS: Final[Mapping[Protocol, JsonForms]] = {
    Protocol.PREDICT: JsonForms(parse_predict, TypedDecoder.read_predict),
    Protocol.INVOCATIONS: JsonForms(invocations.parse, TypedDecoder.read_invocation),
    Protocol.V2: JsonForms(oip_v2.parse, TypedDecoder.read_tensors),
}


class CheckedBody(NamedTuple):
    payload: Payload  # without its cells, which take many times the memory of the checked columns
    batch: Batch


def check_payload(payload: Payload, signature: Signature | None) -> CheckedBody:
    return CheckedBody(payload.without_cells(), check_table(payload.table, signature))


class BodyDecoder:
    def __init__(self, signature: Signature | None, limits: Limits, categories: Categories | None = None) -> None:
        self.signature = signature
        self.limits = limits
        self.tensors = KnownTensors(signature)
        self.typed: TypedDecoder | None = None
        if signature is not None:
            with suppress(ValueError):
                self.typed = TypedDecoder(signature, limits, categories or {})

    def decode(self, data: bytes, media_type: str, protocol: Protocol) -> CheckedBody:
        return self.decode_typed(data, media_type, protocol) or self.decode_reporting(data, media_type, protocol)

    def decode_typed(self, data: bytes, media_type: str, protocol: Protocol) -> CheckedBody | None:
        if media_type.startswith(BINARY):
            payload = self.tensors.read(data, json_size_of(media_type))
        elif self.typed is None or media_type != JSON:
            return None
        else:
            payload = JSON_FORMS[protocol].read(self.typed, data)
        return None if payload is None else check_payload(payload, self.signature)

    def decode_reporting(self, data: bytes, media_type: str, protocol: Protocol) -> CheckedBody:
        checked = check_payload(decode_body(data, media_type, protocol, self.signature, self.limits), self.signature)
        if media_type.startswith(BINARY):
            self.tensors.learn(data, json_size_of(media_type), checked.payload)
        if self.typed and checked.payload.table.others:
            self.typed.learn(checked.payload.table.others)
        return checked


def decode_body(
    data: bytes, media_type: str, protocol: Protocol, signature: Signature | None, limits: Limits
) -> Payload:
    if media_type == CSV:
        from modelserve.payloads import csv as text_csv

        return text_csv.parse(data, signature, limits)
    if media_type == PARQUET:
        from modelserve.payloads import parquet

        return parquet.parse(data, signature, limits)
    if media_type.startswith(BINARY):
        head, buffer = split_body(data, json_size_of(media_type))
        return oip_v2.parse(decode_json(head, limits), signature, limits, buffer)
    if not data:
        raise MalformedRequest("The body is empty.")
    return JSON_FORMS[protocol].parse(decode_json(data, limits), signature, limits)


def decode_json(data: bytes, limits: Limits) -> Any:
    tables.check_cells(strict_json.count_values(data, limits.cells), limits)
    return strict_json.decode(data, limits.depth)
