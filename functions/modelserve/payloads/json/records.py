"""The plain forms: one JSON object or a list of them, and one record as query parameters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from modelserve.core.errors import InvalidParams, MalformedRequest
from modelserve.payloads import Limits, Payload, PayloadForm, tables
from modelserve.payloads.json.mlflow import METHOD
from modelserve.schema.extra_columns import extra_columns
from modelserve.schema.signature import Signature, infer_text


def parse(value: Any, signature: Signature | None, limits: Limits) -> Payload:
    """Raises MalformedRequest for anything but records."""
    if type(value) is dict and tables.takes_values(signature):
        return Payload(tables.from_rows([value], signature, limits), form=PayloadForm.RECORD)
    if type(value) is dict:
        return Payload(tables.from_records([value], signature, limits), form=PayloadForm.RECORD)
    if type(value) is not list:
        raise MalformedRequest("The body must be a record (an object of columns) or a list of records.")
    if value and (type(value[0]) is not dict or tables.takes_values(signature)):
        return Payload(tables.from_rows(value, signature, limits), form=PayloadForm.RECORDS)
    return Payload(tables.from_records(value, signature, limits), form=PayloadForm.RECORDS)


def parse_query(pairs: Iterable[tuple[str, str]], signature: Signature | None, limits: Limits) -> Payload:
    """One record; values are read as the signature's types. Raises MalformedRequest when a column comes twice."""
    record: dict[str, str] = {}
    method = None
    for name, text in pairs:
        if name == METHOD:
            method = text
        elif name in record:
            raise MalformedRequest("A column is given twice in the query.")
        else:
            record[name] = text
    tables.check_columns(len(record), limits)
    if signature is None:
        return Payload(infer_text({name: [text] for name, text in record.items()}, 1), {}, method, PayloadForm.RECORD)
    if signature.tensors:
        raise InvalidParams("This model takes tensors, which have no form as a query; POST them as inputs.")
    known = {name: [record[name]] for name in signature.names if name in record}
    table = signature.parse_text(known, 1, extra_columns(record, known))
    return Payload(table, {}, method, PayloadForm.RECORD)
