"""Refuses an ONNX file that names other files, before anything loads it.

A tensor may keep its values in another file ("external data"), which ONNX Runtime opens beside the model or in the working
directory; no option forbids that. The bytes are walked by the field numbers of
https://github.com/onnx/onnx/blob/main/onnx/onnx.proto. Fields that cannot contain a tensor are skipped and not copied.
"""

import mmap
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NoReturn

from modelserve.core.errors import VersionRefused

MAX_DEPTH: Final = 100  # nested messages; protobuf itself reads no more
EXTERNAL_DATA, DATA_LOCATION = 13, 14  # of a tensor
MAX_KEY: Final = (1 << 32) - 1  # a field's number and wire type together
TENSOR: Final = "TensorProto"
# The fields of each message, by number, that contain a tensor at any depth.
TENSORS_BELOW: Final[Mapping[str, Mapping[int, str]]] = {
    "ModelProto": {7: "GraphProto", 20: "TrainingInfoProto", 25: "FunctionProto"},
    "TrainingInfoProto": {1: "GraphProto", 2: "GraphProto"},
    "FunctionProto": {7: "NodeProto", 11: "AttributeProto"},
    "GraphProto": {1: "NodeProto", 5: TENSOR, 15: "SparseTensorProto"},
    "NodeProto": {5: "AttributeProto"},
    "AttributeProto": {
        5: TENSOR,
        6: "GraphProto",
        10: TENSOR,
        11: "GraphProto",
        22: "SparseTensorProto",
        23: "SparseTensorProto",
    },
    "SparseTensorProto": {1: TENSOR, 2: TENSOR},
    TENSOR: {},
}
VARINT, EIGHT_BYTES, LENGTH, FOUR_BYTES = 0, 1, 2, 5  # wire types
# An attribute has a field for each of its numbers: floats are field 7, ints field 8.
NUMBERS: Final = re.compile(rb"(?:\x3d.{4})++|(?:\x40[\x80-\xff]{0,9}[\x00-\x7f])++", re.DOTALL)
# At byte 4, it makes ONNX Runtime read the file in its own format.
ORT_FORMAT: Final = b"ORTM"


def refuse_external_data(data: Any) -> None:
    """Raises VersionRefused. `data` is the file: bytes, or a map of it."""
    if data[4:8] == ORT_FORMAT:
        refuse_malformed()
    _walk(data, 0, len(data), "ModelProto", MAX_DEPTH)


def refuse_external_file(path: Path) -> None:
    with path.open("rb") as file:
        if path.stat().st_size == 0:
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            refuse_external_data(data)


def refuse_malformed() -> NoReturn:
    raise VersionRefused(
        "The ONNX file of this version is not in the form that ONNX writes, so its references to files are unknown; save the model again."
    )


def _walk(data: Any, at: int, end: int, message: str, depth: int) -> None:
    if not depth:
        refuse_malformed()
    below = TENSORS_BELOW[message]
    while at < end:
        key, at = (data[at], at + 1) if data[at] < 0x80 else _varint(data, at, end)  # most are one byte
        if key > MAX_KEY:
            refuse_malformed()  # protobuf drops the higher bits and would read another field
        field, kind = key >> 3, key & 7
        if message == TENSOR and field in (EXTERNAL_DATA, DATA_LOCATION):
            # Only a location of 0, in the usual wire type, means that the values are in this file.
            if field == DATA_LOCATION and kind == VARINT:
                location, at = _varint(data, at, end)
                if location == 0:
                    continue
            raise VersionRefused(
                "The ONNX file of this version keeps tensors in other files, which is not allowed; save the model with "
                "them inside (mlflow.onnx: save_as_external_data=False) and publish it again."
            )
        if kind == LENGTH:
            short = at < end and data[at] < 0x80
            size, start = (data[at], at + 1) if short else _varint(data, at, end)
            at = start + size
            if at > end:
                refuse_malformed()
            if field in below:
                _walk(data, start, at, below[field], depth - 1)
        elif field in below or not field:
            refuse_malformed()
        else:
            at = _after_number(data, at, end, kind)
            if message == "AttributeProto" and (run := NUMBERS.match(data, at, end)):
                at = run.end()


def _after_number(data: Any, at: int, end: int, kind: int) -> int:
    if kind == VARINT:
        return _varint(data, at, end)[1]
    if kind not in (EIGHT_BYTES, FOUR_BYTES):
        refuse_malformed()  # a group, which ONNX does not use
    at += 8 if kind == EIGHT_BYTES else 4
    if at > end:
        refuse_malformed()
    return at


def _varint(data: Any, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while at < end and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    refuse_malformed()
