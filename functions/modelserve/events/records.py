"""The payload of a message as records with their ids. What is not a record is rejected with its reason."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final

from modelserve.core.errors import BadInput, MalformedRequest, ServeError
from modelserve.payloads import Limits, Payload, tables
from modelserve.payloads.decode import decode_json
from modelserve.payloads.json import mlflow as invocations
from modelserve.payloads.json import oip_v2
from modelserve.payloads.json import strict as strict_json
from modelserve.schema.batch import Batch, Table, select_rows
from modelserve.schema.signature import Signature, check_table
from modelserve.schema.types import MISSING, SCALARS

MAX_ID: Final = 1_024  # bytes, as of everything that Pub/Sub keeps beside a message


@dataclass(frozen=True, slots=True)
class RejectedRecord:
    """A record that can never be scored. `data` is the record, or the whole message if `place` is None."""

    place: int | None
    data: bytes
    error: ServeError


@dataclass(slots=True)
class Records:
    """`table` has one row per usable record, to which `places` and `ids` belong. `whole` has the bytes of a message
    that is one record, for a dead letter with the original data."""

    table: Table
    places: list[int]
    ids: list[Any]
    originals: list[Any]
    rejected: list[RejectedRecord] = field(default_factory=list)
    params: Mapping[str, Any] = field(default_factory=dict)
    method: str | None = None
    whole: bytes | None = None


def parse(data: bytes, signature: Signature | None, limits: Limits, features_field: str, id_field: str) -> Records:
    if not data:
        raise MalformedRequest("The message has no data.")
    value = decode_json(data, limits)
    payload = parse_form(value, signature, limits, features_field)
    if payload is not None:
        rows = payload.table.rows
        refuse_empty(rows)
        return Records(
            payload.table, list(range(rows)), [None] * rows, [None] * rows, [], payload.params, payload.method
        )
    whole = None if type(value) is list else data
    items = value if type(value) is list else [value]
    refuse_empty(len(items))
    tables.check_rows(len(items), limits)
    usable: list[tuple[int, Any, Any, Any]] = []
    rejected: list[RejectedRecord] = []
    for place, item in enumerate(items):
        try:
            features, own = unwrap(item, features_field, id_field)
            if whole is None:
                tables.check_columns(len(features), limits)
            usable.append((place, features, own, item))
        except BadInput as error:
            rejected.append(
                RejectedRecord(place, strict_json.encode(item), error)
                if whole is None
                else RejectedRecord(None, whole, error)
            )
    table = tables.from_records([features for _, features, _, _ in usable], signature, limits)
    return Records(table, [u[0] for u in usable], [u[2] for u in usable], [u[3] for u in usable], rejected, whole=whole)


def refuse_empty(records: int) -> None:
    if not records:
        raise MalformedRequest("The message has no records.")


def parse_form(value: Any, signature: Signature | None, limits: Limits, features_field: str) -> Payload | None:
    if type(value) is not dict or (features_field and features_field in value):
        return None
    if oip_v2.is_v2(value):
        return oip_v2.parse(value, signature, limits)
    return invocations.parse(value, signature, limits) if invocations.is_form(value, signature) else None


def unwrap(item: Any, features_field: str, id_field: str) -> tuple[Any, Any]:
    if type(item) is not dict:
        raise MalformedRequest("A record must be an object.")
    features = item.get(features_field, item) if features_field else item
    if type(features) is not dict:
        raise MalformedRequest(f"The field {features_field} must be an object.")
    own = item.get(id_field) if id_field else None
    if type(own) not in (str, int, float, type(None)):
        raise MalformedRequest(f"The field {id_field} must be a string or a number.")
    if own is not None and id_bytes(own) > MAX_ID:
        raise MalformedRequest(f"The field {id_field} is longer than {MAX_ID} bytes.")
    return features, own


def id_bytes(own: str | float) -> int:
    # A bit is less than a third of a digit; Python refuses to write out integers that are much too long.
    return own.bit_length() // 3 if type(own) is int and own.bit_length() > 3 * MAX_ID else len(str(own).encode())


def check(records: Records, signature: Signature | None) -> list[Batch]:
    """The rows that fit the signature; the others move to `records.rejected`. Usually one batch: without a signature,
    rows may fit only separately, such as a number and a text in one column."""
    batches: list[Batch] = []
    good: list[int] = []
    waiting = [range(records.table.rows)]
    while waiting:
        rows = waiting.pop()
        try:
            batches.append(check_table(select_rows(records.table, rows), signature))
            good.extend(rows)
        except BadInput as error:
            if not rows:
                raise
            if len(rows) == 1:
                records.rejected.append(reject_row(records, rows[0], error))
            else:
                middle = len(rows) // 2
                waiting += [rows[middle:], rows[:middle]]
    if len(batches) > 1 and records.rejected:
        with suppress(BadInput):  # without the rejected rows the others mostly fit
            batches = [check_table(select_rows(records.table, good), signature)]
    records.places = [records.places[row] for row in good]
    records.ids = [records.ids[row] for row in good]
    return batches


def check_merged(every: Sequence[Records], signature: Signature | None, max_rows: int) -> Batch | None:
    """All rows of several messages in one batch, or None if each message must be checked by itself. A row must keep its
    own values: without a signature other rows decide its types, and beside a null an integer becomes a double."""
    rows = sum(one.table.rows for one in every)
    if signature is None or rows > max_rows or any(one.params or one.method or not one.table.rows for one in every):
        return None
    if not all(column.kind in SCALARS.values() for column in signature.columns):
        return None
    tables = [one.table for one in every]
    columns = {
        name: list(chain.from_iterable(table.columns.get(name, [MISSING] * table.rows) for table in tables))
        for name in signature.names
    }
    try:
        batch = signature.check(Table(columns, rows))
    except Exception:  # the message at fault meets it again, and it alone
        return None
    same_types = all(batch.columns[column.name].dtype == column.kind.dtype for column in signature.columns)
    return batch if same_types else None


def reject_row(records: Records, row: int, error: ServeError) -> RejectedRecord:
    if records.whole is not None:
        return RejectedRecord(None, records.whole, error)
    original = records.originals[row]
    if original is None:  # a row of a form of columns: as a record
        cells = ((name, values[row]) for name, values in records.table.columns.items())
        original = {name: value for name, value in cells if value is not MISSING}
    return RejectedRecord(records.places[row], strict_json.encode(original), error)
