"""A running service as one side: its rows go to POST /predict, as many at a time as it takes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Final

import httpx
import msgspec

from modelserve.core.errors import ModelFailed, UnknownMethod
from modelserve.models.scoring import RowResult
from modelserve.payloads.predictions import encode, jsonable
from modelserve.schema.batch import Batch, Table
from modelserve.schema.signature import Signature, from_mlmodel, infer
from modelserve_control.batch.row_results import part, reasons
from modelserve_control.common.errors import ServiceUnusable
from modelserve_control.common.identity import Identity, chosen, of_nobody
from modelserve_control.compare.sides.subject import Subject

TIMEOUT_SECONDS: Final = 60.0
# A service that starts, or has enough to do, says when to come again.
TRIES, LONGEST_WAIT = 8, 10.0
SMALLER: Final = (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.GATEWAY_TIMEOUT)
LATER: Final = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


class TooMany(Exception):
    """Fewer rows may do."""


@contextmanager
def opened(url: str, token_command: str | None, method: str | None) -> Iterator[Service]:
    with httpx.Client(base_url=url, timeout=TIMEOUT_SECONDS) as client:
        yield Service(client, Identity(chosen(token_command, of_nobody), url), method)


class Service(Subject):
    """The same rows are refused as by the service itself, because its signature judges them here first: a request with
    one bad cell is refused as a whole."""

    def __init__(self, client: httpx.Client, identity: Identity, method: str | None) -> None:
        self.client = client
        self.identity = identity
        self.method = method
        self.known = self.described()
        self.signature = from_mlmodel(self.known["signature"])
        self.most = 1_000_000

    def document(self) -> dict[str, Any]:
        return self.known

    def described(self) -> dict[str, Any]:
        answer = self.asked("GET", "/metadata")
        found = decoded(answer)
        needed = ("name", "version", "runtime", "classes", "signature", "presentation", "predict_methods")
        if answer.status_code != HTTPStatus.OK or type(found) is not dict or any(name not in found for name in needed):
            raise ServiceUnusable(f"{self.client.base_url} answers /metadata with {answer.status_code}; see its log.")
        if self.method is not None and self.method not in found["predict_methods"]:
            raise UnknownMethod(self.method, found["predict_methods"])
        return found

    def check(self, table: Table) -> Batch:
        return self.signature.check(table) if self.signature else infer(table)

    def alone(self, row: Table) -> float:
        """With the way there and back."""
        body = encode(records(self.check(row), self.signature))
        started = time.perf_counter()
        answer = self.asked("POST", "/predict", body)
        if answer.status_code != HTTPStatus.OK:
            raise ModelFailed("The service did not answer this row alone.")
        return time.perf_counter() - started

    def answers(self, batch: Batch) -> list[RowResult]:
        found: list[RowResult] = []
        while len(found) < batch.rows:
            rows = part(batch, len(found), min(len(found) + self.most, batch.rows))
            try:
                found += self.posted(rows)
            except TooMany as error:
                if rows.rows == 1:
                    raise ModelFailed(str(error)) from error
                self.most = rows.rows // 2
        return found

    def posted(self, batch: Batch) -> list[dict[str, Any]]:
        answer = self.asked("POST", "/predict", encode(records(batch, self.signature)))
        found = decoded(answer)
        if answer.status_code == HTTPStatus.OK:
            if type(found) is not list or len(found) != batch.rows or any(type(row) is not dict for row in found):
                raise ServiceUnusable(f"{self.client.base_url} does not answer with one result per row.")
            self.refuse_other(answer.headers.get("x-model-version"))
            return found
        message = message_of(found)
        if answer.status_code in SMALLER:
            raise TooMany(message)
        if answer.status_code in (HTTPStatus.BAD_REQUEST, HTTPStatus.INTERNAL_SERVER_ERROR) and message:
            raise ModelFailed(message)
        raise ServiceUnusable(f"{self.client.base_url} answers {answer.status_code}. {message}".rstrip())

    def refuse_other(self, version: str | None) -> None:
        if version != self.known["version"]:
            raise ServiceUnusable(
                f"{self.client.base_url} activated another version meanwhile: {self.known['version']} before, now {version}."
            )

    def asked(self, verb: str, path: str, body: bytes | None = None) -> httpx.Response:
        """Asks again while the service says that it can answer later."""
        for left in reversed(range(TRIES)):
            answer = self.sent(verb, path, body)
            if answer.status_code not in LATER:
                break
            if left:
                time.sleep(wait(answer))
        if answer.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise ServiceUnusable(
                f"{self.client.base_url} answers {answer.status_code}: it needs an identity token, see --token-command."
            )
        return answer

    def sent(self, verb: str, path: str, body: bytes | None) -> httpx.Response:
        headers = {"content-type": "application/json"} if body else {}
        params = {"predict_method": self.method} if self.method and body else {}
        try:
            return self.client.request(
                verb, path, content=body, params=params, headers=headers | self.identity.headers()
            )
        except httpx.HTTPError as error:
            raise ServiceUnusable(f"{self.client.base_url} does not answer: {type(error).__name__}.") from error


def records(batch: Batch, signature: Signature | None) -> list[Any]:
    """The rows in a plain form: as objects, or by position where the model knows no names."""
    columns = [jsonable(column) for column in batch.columns.values()]
    if signature is None or signature.named:
        return [dict(zip(batch.columns, row, strict=True)) for row in zip(*columns, strict=True)]
    return columns[0] if len(columns) == 1 else [list(row) for row in zip(*columns, strict=True)]


def decoded(answer: httpx.Response) -> Any:
    try:
        return msgspec.json.decode(answer.content)
    except msgspec.DecodeError:
        return None


def message_of(found: Any) -> str:
    if type(found) is not dict:
        return ""
    details = found.get("details")
    try:
        return reasons(details) if details else str(found.get("message", ""))
    except (KeyError, TypeError):
        return ""


def wait(answer: httpx.Response) -> float:
    try:
        return min(LONGEST_WAIT, max(0.1, float(answer.headers.get("retry-after", "1"))))
    except ValueError:
        return 1.0
