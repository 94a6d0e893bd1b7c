"""The rows of the log: one for each record of a request, with its inputs and its answer as JSON."""

import itertools
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
import numpy as np

from modelserve.core.settings import Settings
from modelserve.events import records
from modelserve.events.results import prediction_id
from modelserve.http.app import V1_MODEL, V2_MODEL
from modelserve.payloads import Limits
from modelserve.payloads.binary_tensors import decode_answer
from modelserve.payloads.decode import JSON, BodyDecoder, Protocol, binary_type, check_payload
from modelserve.payloads.json import oip_v2
from modelserve.payloads.json import records as plain_records
from modelserve.payloads.json.mlflow import METHOD
from modelserve.payloads.predictions import by_row, encode
from modelserve.prediction_log.sender import Answered
from modelserve.schema.batch import Batch, select_rows
from modelserve.schema.signature import Signature, check_table, from_mlmodel

CALLER_ID: Final = re.compile(rb"[!-~]{1,128}")
MAX_SIGNATURES: Final = 16  # of versions; there are two while one is replaced
Row = dict[str, Any]
"""The columns of the table: docs/monitoring.md."""
Record = tuple[str, str | None, str | None, int | None, Mapping[str, Any], Any]
"""Its id, the caller's id, the method, the cells with an unknown category, its inputs and its answer."""


class RowMaker:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.limits = Limits.from_settings(settings)
        self.without = {name.strip() for name in settings.log_without.split(",")} - {""}
        self.signatures: dict[tuple[str, str], Signature | None] = {}
        self.decoders: dict[tuple[str, str], BodyDecoder] = {}
        # Unique for each request, which the id of a request is not: a caller chooses it.
        self._process_id = uuid.uuid4().hex[:16]
        self._requests = itertools.count()

    def learn(self, answered: Answered) -> None:
        names = (answered.model, answered.version)
        if not answered.signature or names in self.signatures:
            return
        if len(self.signatures) >= MAX_SIGNATURES:
            self.signatures.clear()
            self.decoders.clear()
        self.signatures[names] = from_mlmodel(msgspec.json.decode(answered.signature))
        self.decoders[names] = BodyDecoder(self.signatures[names], self.limits)

    def make_rows(self, answered: Answered) -> list[Row]:
        """Raises whatever decoding raises. The server has decoded the same bytes, so that is a bug."""
        self.learn(answered)
        found = list(self.read_event(answered) if answered.event else self.read_request(answered))
        request_id = answered.request_id.decode()
        time = datetime.fromtimestamp(answered.time, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        return [
            {
                "prediction_id": own,
                "caller_id": caller,
                "request_id": request_id,
                "model": answered.model,
                "version": answered.version,
                "predict_method": method,
                "time": time,
                "milliseconds": answered.milliseconds,
                "unknown_categories": unknown,
                "inputs": encode(self.leave_out(inputs)).decode(),
                "answer": encode(answer if isinstance(answer, dict) else {"prediction": answer}).decode(),
            }
            for own, caller, method, unknown, inputs, answer in found
        ]

    def leave_out(self, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        return {key: value for key, value in inputs.items() if key not in self.without} if self.without else inputs

    def read_request(self, answered: Answered) -> Iterator[Record]:
        batch, method = self.decode_request(answered)
        answers = answer_rows(decode_answer(answered.answer, answered.answer_json_size), batch.rows)
        unknown = unknown_by_row(answered, batch.rows)
        own = f"{self._process_id}{next(self._requests):016x}"
        caller = answered.caller_id.decode() if CALLER_ID.fullmatch(answered.caller_id) else ""
        for row, (count, values, answer) in enumerate(zip(unknown, read_inputs(batch), answers, strict=True)):
            place = "" if batch.rows == 1 else f"/{row}"
            yield own + place, caller + place if caller else None, method, count, values, answer

    def decode_request(self, answered: Answered) -> tuple[Batch, str | None]:
        names = (answered.model, answered.version)
        signature = self.signatures.get(names)
        if answered.method == "GET":
            pairs = parse_qsl(answered.query.decode("latin-1"), keep_blank_values=True)
            payload, batch = check_payload(plain_records.parse_query(pairs, signature, self.limits), signature)
            return batch, payload.method
        protocol, kind = Protocol.PREDICT, answered.content_type.decode("latin-1").partition(";")[0].strip().lower()
        path = answered.path.decode("latin-1")
        if V2_MODEL.fullmatch(path):
            protocol = Protocol.V2
            kind = binary_type(int(answered.json_size)) if answered.json_size else JSON
        elif V1_MODEL.fullmatch(path) or path == "/invocations":
            protocol = Protocol.INVOCATIONS
        decoder = self.decoders.get(names) or BodyDecoder(signature, self.limits)
        payload, batch = decoder.decode(answered.body, kind or JSON, protocol)
        if answered.query:
            payload = payload.with_default_method(dict(parse_qsl(answered.query.decode("latin-1"))).get(METHOD))
        return batch, payload.method

    def read_event(self, answered: Answered) -> Iterator[Record]:
        signature = self.signatures.get((answered.model, answered.version))
        settings = self.settings
        parsed = records.parse(
            answered.body, signature, self.limits, settings.event_features_field, settings.event_id_field
        )
        events = msgspec.json.decode(answered.answer)
        unknown = unknown_by_row(answered, len(events))
        answers = {
            event["prediction_id"]: (count, event["prediction"]) for event, count in zip(events, unknown, strict=True)
        }
        for row, (place, caller) in enumerate(zip(parsed.places, parsed.ids, strict=True)):
            own = prediction_id(answered.request_id.decode(), place)
            if own in answers:  # else its record went to the dead letters
                one = select_rows(parsed.table, [row])
                (inputs,) = read_inputs(check_table(one, signature))
                count, answer = answers[own]
                yield own, None if caller is None else str(caller), parsed.method, count, inputs, answer


def read_inputs(batch: Batch) -> list[dict[str, Any]]:
    """The JSON values of each row. Arrays of a single row would cost more than all the rest."""
    cells = batch.columns if batch.cells is None else batch.cells
    columns = [by_row(values) if isinstance(values, np.ndarray) else values for values in cells.values()]
    return [dict(zip(cells, row, strict=True)) for row in zip(*columns, strict=True)]


def unknown_by_row(answered: Answered, rows: int) -> Sequence[int | None]:
    counts = answered.unknown_categories
    return [None] * rows if counts is None else counts or [0] * rows


def answer_rows(answer: Any, rows: int) -> Sequence[Any]:
    """One value for each row, whatever the form of the answer. An answer that has no rows is that of each."""
    if isinstance(answer, dict) and "outputs" in answer:
        columns = {
            output["name"]: oip_v2.rows_of(output["data"], output["shape"], tensors=True) if output["data"] else []
            for output in answer["outputs"]
        }
        if all(len(column) == rows for column in columns.values()):
            return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        return [columns] * rows
    if isinstance(answer, dict) and "predictions" in answer:
        answer = answer["predictions"]
    return answer if isinstance(answer, list) and len(answer) == rows else [answer] * rows
