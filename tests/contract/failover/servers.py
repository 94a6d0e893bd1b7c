"""A small HTTP server of JSON: one function answers everything."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import Message
from http import HTTPStatus
from typing import Any

import http_server

Answer = tuple[int, Any]
"""The status and a JSON value, of a redirect its address. The status 0 ends the connection without an answer."""


@contextmanager
def serve_json(answer: Callable[[str, str, Message, bytes], Answer]) -> Iterator[str]:
    """The address of a server, on a port of its own; `answer` gets method, path, headers and body."""

    def encode(method: str, target: str, headers: Message, body: bytes) -> http_server.Answer:
        status, value = answer(method, target.partition("?")[0], headers, body)
        location = {"location": value} if status == HTTPStatus.FOUND else {}
        return status, {"content-type": "application/json"} | location, json.dumps(value).encode()

    with http_server.answering(encode) as url:
        yield url
