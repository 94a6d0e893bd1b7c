"""Bodies that are nearly right: seeds in every form, and what chance does to them. The same chance gives the same bodies."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from contract.http.customers import BY_COLUMN, COLUMNS, JSON_FORMS, RECORDS, as_csv

Sent = tuple[str, Mapping[str, str], bytes]
"""Path, headers and body."""

MARKER: Final = "Zx9marker"
JSON_KIND: Final = {"content-type": "application/json"}
CLOUD_EVENT: Final = {"content-type": "application/cloudevents+json"}
BATCH: Final = {"content-type": "application/cloudevents-batch+json"}
PUBSUB: Final = "google.cloud.pubsub.topic.v1.messagePublished"
V2: Final = {
    "inputs": [
        {"name": name, "shape": [3], "datatype": kind, "data": BY_COLUMN[name]}
        for name, kind in zip(COLUMNS, ("BYTES", "INT64", "FP64"), strict=True)
    ]
}
ODD: Final[tuple[Any, ...]] = (
    None, True, False, 0, -1, 1.5, 1e300, -0.0, 2**53, 2**53 + 1, 2**63, 10**30, "", MARKER, "1", "nan", "\ud800", "\u0000", "2024-01-01",
    [], [[]], {}, [None], {MARKER: MARKER}, {"": 1}, [1, [2, [3]]],
)  # fmt: skip
PIECES: Final = (
    b"{", b"}", b"[", b"]", b'"', b",", b":", b"\\", b"\\u00", b"\0", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"NaN", b"Infinity",
    b"-", b"1e999", b"1e", b"00", b"9" * 5_000, b"[" * 10_000, b'{"a":' * 10_000, b"null", b"nul", b"true", b"/*x*/", b"\r\n", b" " * 99,
    MARKER.encode(),
)  # fmt: skip


def parquet() -> bytes:
    file = BytesIO()
    pq.write_table(pa.table(BY_COLUMN), file)
    return file.getvalue()


def payloads() -> list[Sent]:
    """Of the HTTP function that serves the churn model."""
    forms = [("/invocations", JSON_KIND, json.dumps(form).encode()) for form in JSON_FORMS.values()]
    plain = [("/predict", JSON_KIND, json.dumps(body).encode()) for body in (RECORDS, RECORDS[0])]
    others = [
        ("/v2/models/churn/infer", JSON_KIND, json.dumps(V2).encode()),
        ("/invocations", {"content-type": "text/csv"}, as_csv()),
        ("/predict", {"content-type": "application/vnd.apache.parquet"}, parquet()),
    ]
    return [*forms, *plain, *others]


def events() -> list[Sent]:
    """The same records in every envelope that the event function knows."""
    inner = [json.dumps(body).encode() for body in (RECORDS[0], RECORDS, JSON_FORMS["instances of objects"])]
    made: list[Sent] = []
    for data in inner:
        encoded = base64.b64encode(data).decode()
        message = {"data": encoded, "messageId": "7", "publishTime": "2999-01-02T12:00:00Z", "attributes": {"k": "v"}}
        push = {"message": message, "subscription": "s", "deliveryAttempt": 3}
        event = {"specversion": "1.0", "id": "e1", "type": "com.example", "source": "/x"}
        made += [
            ("/", JSON_KIND, json.dumps(push).encode()),
            ("/", CLOUD_EVENT, json.dumps(event | {"type": PUBSUB, "data": push}).encode()),
            ("/", CLOUD_EVENT, json.dumps(event | {"data": json.loads(data)}).encode()),
            ("/", CLOUD_EVENT, json.dumps(event | {"data_base64": encoded}).encode()),
            (
                "/",
                BATCH,
                json.dumps([event | {"data_base64": encoded}, event | {"type": PUBSUB, "data": push}]).encode(),
            ),
            ("/", JSON_KIND | {"ce-id": "e1", "ce-specversion": "1.0", "ce-type": PUBSUB}, json.dumps(push).encode()),
            ("/", JSON_KIND | {"ce-id": "e1", "ce-specversion": "1.0", "ce-type": "com.example"}, data),
            ("/", JSON_KIND | {"x-goog-pubsub-message-id": "7"}, data),
        ]
    return made


def damaged(seeds: list[Sent], count: int, seed: int) -> Iterator[Sent]:
    chance = random.Random(seed)
    for _ in range(count):
        path, headers, body = chance.choice(seeds)
        for _ in range(chance.randrange(3)):
            body = chance.choice(DAMAGES)(body, chance)
        if chance.random() < 0.03:
            headers = dict(headers) | {
                "content-type": chance.choice(["text/plain", "text/csv", MARKER, "application/json;"])
            }
        yield path, headers, body


def put(body: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(body) + 1)
    return body[:place] + chance.choice(PIECES) + body[place + chance.randrange(4) :]


def flip(body: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(body) + 1)
    return body[:place] + bytes([chance.randrange(256)]) + body[place + 1 :]


def cut(body: bytes, chance: random.Random) -> bytes:
    return body[: chance.randrange(len(body) + 1)]


def repeat(body: bytes, chance: random.Random) -> bytes:
    start, end = sorted(chance.randrange(len(body) + 1) for _ in range(2))
    return body[:end] + body[start:end] + body[end:]


def replace(body: bytes, chance: random.Random) -> bytes:
    """Another value somewhere in it, where it is JSON."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return put(body, chance)
    return json.dumps(changed(value, chance)).encode()


def changed(value: Any, chance: random.Random) -> Any:
    if isinstance(value, str) and chance.random() < 0.5:
        inner = value.encode(errors="replace")
        try:  # what an envelope carries
            return base64.b64encode(chance.choice(DAMAGES)(base64.b64decode(inner, validate=True), chance)).decode()
        except ValueError:
            return chance.choice(ODD)
    if not isinstance(value, dict | list) or not value or chance.random() < 0.1:
        return chance.choice(ODD)
    if isinstance(value, list):
        place = chance.randrange(len(value))
        return [*value[:place], changed(value[place], chance), *value[place + 1 :]]
    key = chance.choice(sorted(value))
    if chance.random() < 0.2:
        return {name: item for name, item in value.items() if name != key}
    if chance.random() < 0.1:
        return value | {MARKER: chance.choice(ODD)}
    return value | {key: changed(value[key], chance)}


DAMAGES: Final[tuple[Callable[[bytes, random.Random], bytes], ...]] = (
    put,
    flip,
    cut,
    repeat,
    replace,
    replace,
    replace,
)
