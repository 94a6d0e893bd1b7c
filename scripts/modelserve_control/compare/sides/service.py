"""A running service as one side: its rows go to POST /predict, as many at a time as it accepts."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Final

from httpx import Response

from modelserve.core.errors import ModelFailed, UnknownMethod, join_reasons
from modelserve.models.scoring import RowResult
from modelserve.payloads.predictions import encode, jsonable
from modelserve.schema.batch import Batch, Table
from modelserve.schema.signature import from_mlmodel, infer
from modelserve_control.batch.rows.row_results import slice_batch
from modelserve_control.common.errors import ServiceUnusable
from modelserve_control.common.services.client import UNAUTHORIZED, ServiceClient, decode, model_of
from modelserve_control.common.services.identity import Identity, anonymous, token_source
from modelserve_control.compare.sides.subject import Subject

ATTEMPTS: Final = 8  # of a service that starts, or is busy
NEEDED: Final = ("name", "version", "runtime", "classes", "signature", "presentation", "predict_methods")
TOO_MANY: Final = (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.GATEWAY_TIMEOUT)


class TooManyRows(Exception):
    """A request with fewer rows may succeed."""


@contextmanager
def connect(url: str, token_command: str | None, method: str | None) -> Iterator[Service]:
    identity = Identity(token_source(token_command, anonymous), url)
    with ServiceClient(url, identity, attempts=ATTEMPTS) as client:
        yield Service(client, method)


class Service(Subject):
    """Its rows are first checked here, with its own signature, because a service refuses a request with one bad cell as a
    whole."""

    def __init__(self, client: ServiceClient, method: str | None) -> None:
        self.client = client
        self.method = method
        self.metadata = self.read_metadata()
        self.signature = from_mlmodel(self.metadata["signature"])
        self.max_rows = 1_000_000

    def document(self) -> dict[str, Any]:
        return self.metadata

    def read_metadata(self) -> dict[str, Any]:
        response = self.send(None)
        found = decode(response)
        if (
            response.status_code != HTTPStatus.OK
            or type(found) is not dict
            or any(name not in found for name in NEEDED)
        ):
            raise ServiceUnusable(f"{self.client.url} answers /metadata with {response.status_code}; see its log.")
        if self.method is not None and self.method not in found["predict_methods"]:
            raise UnknownMethod(self.method, found["predict_methods"])
        return found

    def check(self, table: Table) -> Batch:
        return self.signature.check(table) if self.signature else infer(table)

    def time_row(self, row: Table) -> float:
        body = encode(self.records(self.check(row)))
        started = time.perf_counter()
        if self.send(body).status_code != HTTPStatus.OK:
            raise ModelFailed("The service did not answer this row alone.")
        return time.perf_counter() - started

    def predict(self, batch: Batch) -> list[RowResult]:
        found: list[RowResult] = []
        while len(found) < batch.rows:
            rows = slice_batch(batch, len(found), min(len(found) + self.max_rows, batch.rows))
            try:
                found += self.post(rows)
            except TooManyRows as error:
                if rows.rows == 1:
                    raise ModelFailed(str(error)) from error
                self.max_rows = rows.rows // 2
        return found

    def post(self, batch: Batch) -> list[dict[str, Any]]:
        response = self.send(encode(self.records(batch)))
        found = decode(response)
        if response.status_code == HTTPStatus.OK:
            if type(found) is not list or len(found) != batch.rows or any(type(row) is not dict for row in found):
                raise ServiceUnusable(f"{self.client.url} does not answer with one result per row.")
            _, version = model_of(response)
            if version != self.metadata["version"]:
                raise ServiceUnusable(
                    f"{self.client.url} activated another version meanwhile: {self.metadata['version']} before, now {version}."
                )
            return found
        message = error_message(found)
        if response.status_code in TOO_MANY:
            raise TooManyRows(message)
        if response.status_code in (HTTPStatus.BAD_REQUEST, HTTPStatus.INTERNAL_SERVER_ERROR) and message:
            raise ModelFailed(message)
        raise ServiceUnusable(f"{self.client.url} answers {response.status_code}. {message}".rstrip())

    def send(self, body: bytes | None) -> Response:
        params = {"predict_method": self.method} if self.method else None
        response = self.client.get("/metadata") if body is None else self.client.post("/predict", body, params)
        if (status := response.status_code) in UNAUTHORIZED:
            raise ServiceUnusable(
                f"{self.client.url} answers {status}: it needs an identity token, see --token-command."
            )
        return response

    def records(self, batch: Batch) -> list[Any]:
        columns = [jsonable(column) for column in batch.columns.values()]
        if self.signature is None or self.signature.named:
            return [dict(zip(batch.columns, row, strict=True)) for row in zip(*columns, strict=True)]
        return columns[0] if len(columns) == 1 else [list(row) for row in zip(*columns, strict=True)]


def error_message(found: Any) -> str:
    if type(found) is not dict:
        return ""
    details = found.get("details")
    try:
        return join_reasons(details) if details else str(found.get("message", ""))
    except (KeyError, TypeError):
        return ""
