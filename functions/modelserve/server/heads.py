"""Heads of requests: which are refused although the parser lets them pass, and what a refused client is sent."""

import re
import uuid
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from modelserve.core.errors import AddressTooLong, HeadersTooLarge, MalformedRequest, ServeError, body
from modelserve.payloads.decode import JSON
from modelserve.payloads.predictions import encode

Headers = Sequence[tuple[bytes, bytes]]  # their names are in lower case

# A header costs memory beside its bytes. Clients and proxies send twenty or thirty; gunicorn's own limit is the same.
MAX_HEADERS: Final = 100
HEADER_FRAME: Final = len(b": \r\n")

# RFC 9112, 3.2: a path, or a whole address as proxies are sent; `*` is for OPTIONS. A fragment is never sent.
TARGET: Final = re.compile(rb"(?:https?://[^/?#@\\]+)?/[^#]*|\*", re.IGNORECASE)
HOST: Final = re.compile(rb"[\w.~%!$&'()*+,;=:\[\]-]*", re.ASCII)


def find_error(version: str, target: bytes, headers: Headers) -> MalformedRequest | None:
    """Refuses what a proxy in front may read differently."""
    if version not in ("1.0", "1.1"):
        return MalformedRequest("This version of HTTP is not taken; use HTTP/1.1.")
    if not TARGET.fullmatch(target):
        return MalformedRequest("The address must begin with a slash and have no fragment.")
    hosts = [value for name, value in headers if name == b"host"]
    if len(hosts) > 1 or (not hosts and version == "1.1") or not all(map(HOST.fullmatch, hosts)):
        return MalformedRequest("A request needs exactly one Host header, which names a host.")
    codings = [value.lower() for name, value in headers if name == b"transfer-encoding"]
    if codings and (version == "1.0" or codings != [b"chunked"]):
        return MalformedRequest("The only Transfer-Encoding is chunked, and HTTP/1.0 has none.")
    return None


def too_large(target: bytes, limit: int) -> ServeError:
    if len(target) > limit // 2:
        return AddressTooLong(f"The address is longer than a request's line and headers may be: {limit} bytes.")
    return HeadersTooLarge(f"A request may have {MAX_HEADERS} headers and {limit} bytes of them.")


def without_upgrade(method: bytes, target: bytes, version: str, headers: Headers) -> bytes:
    line = b"%b %b HTTP/%b" % (method, target, version.encode())
    lines = [line, *(b"%b: %b" % header for header in headers if header[0] != b"upgrade")]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def refusal(error: ServeError) -> bytes:
    content = encode(body(error, uuid.uuid4().hex))
    status = HTTPStatus(error.status)
    named = {"content-type": JSON, "content-length": str(len(content)), "connection": "close", **error.headers}
    lines = [f"HTTP/1.1 {status.value} {status.phrase}", *(f"{name}: {value}" for name, value in named.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content
