"""R19: what a proxy in front may read in another way than the container is refused, once, and the connection ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from faults.clients import connected, read
from faults.containers import container, good
from serving import Functions, Served

if TYPE_CHECKING:
    from models.library import Library  # imports mlflow, which takes seconds

BODY = b'{"x":1.0}'
CHUNKS = b"9\r\n" + BODY + b"\r\n0\r\n\r\n"
NEXT = b"GET /health/live HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"


def get(
    target: bytes = b"/ping", headers: bytes = b"host: a\r\n", version: bytes = b"HTTP/1.1", method: bytes = b"GET"
) -> bytes:
    return b"%b %b %b\r\n%b\r\n" % (method, target, version, headers)


def post(headers: bytes, body: bytes = BODY, version: bytes = b"HTTP/1.1") -> bytes:
    return b"POST /predict %b\r\nhost: a\r\ncontent-type: application/json\r\n%b\r\n%b" % (version, headers, body)


def chunked(body: bytes) -> bytes:
    return post(b"transfer-encoding: chunked\r\n", body)


BAD_REQUEST = {
    # --- the host ---
    "no host": get(headers=b""),
    "two hosts": get(headers=b"host: a\r\nhost: b\r\n"),
    "a host twice": get(headers=b"host: a\r\nhost: a\r\n"),
    "two hosts in 1.0": get(headers=b"host: a\r\nhost: b\r\n", version=b"HTTP/1.0"),
    "a host with a path": get(headers=b"host: a/metrics?\r\n"),
    "a host with a space": get(headers=b"host: a b\r\n"),
    # --- the request line ---
    "HTTP/0.9": b"GET /ping\r\n\r\n",
    "HTTP/0.9 by name": get(version=b"HTTP/0.9"),
    "HTTP/2": get(version=b"HTTP/2.0"),
    "another protocol": get(version=b"ICE/1.0"),
    "HTTP/1.2": get(version=b"HTTP/1.2"),
    "HTTP/3": get(version=b"HTTP/3.0"),
    "the protocol in lower case": get(version=b"http/1.1"),
    "HTTP/2 without asking": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "something behind the version": get(version=b"HTTP/1.1 x"),
    "a method in lower case": get(method=b"get"),
    "no method": get(method=b"FOO"),
    "a tunnel": get(b"a:80", method=b"CONNECT"),
    "no address": get(b""),
    "no slash": get(b"metrics"),
    "a backslash": get(b"\\metrics"),
    "a fragment": get(b"/health/live#x"),
    "a tab": get(b"/health/live\tx"),
    "a control character": get(b"/health/live\x01"),
    "NUL": get(b"/health/live\x00"),
    "not ASCII": get("/modèle".encode()),
    "an address without a path": get(b"http://a"),
    "an address of another scheme": get(b"ftp://a/health/live"),
    "an address with a user": get(b"http://u:p@a/health/live"),
    # --- the headers ---
    "a folded header": get(headers=b"host: a\r\nx: a\r\n b\r\n"),
    "a first header that begins with a space": get(headers=b" x: a\r\nhost: a\r\n"),
    "a space before the colon": get(headers=b"host: a\r\nx : a\r\n"),
    "no colon": get(headers=b"host: a\r\nx\r\n"),
    "no name": get(headers=b"host: a\r\n: a\r\n"),
    "NUL in a header": get(headers=b"host: a\r\nx: a\x00b\r\n"),
    "CR in a header": get(headers=b"host: a\r\nx: a\rb\r\n"),
    "LF alone": b"GET /ping HTTP/1.1\nhost: a\n\n",
    # --- the length of the body ---
    "chunks and a length": post(b"transfer-encoding: chunked\r\ncontent-length: 9\r\n", CHUNKS),
    "a length and chunks": post(b"content-length: 9\r\ntransfer-encoding: chunked\r\n", CHUNKS),
    "a length twice": post(b"content-length: 9\r\ncontent-length: 9\r\n"),
    "two lengths": post(b"content-length: 9\r\ncontent-length: 3\r\n"),
    "two lengths in one": post(b"content-length: 9, 9\r\n"),
    "a length with a sign": post(b"content-length: +9\r\n"),
    "a negative length": post(b"content-length: -9\r\n"),
    "a hexadecimal length": post(b"content-length: 0x9\r\n"),
    "a length with a space": post(b"content-length: 9 9\r\n"),
    "an empty length": post(b"content-length:\r\n"),
    "a length beyond 64 bits": post(b"content-length: 99999999999999999999999\r\n"),
    "a length with a space before the colon": post(b"content-length : 9\r\n"),
    "identity": post(b"transfer-encoding: identity\r\n"),
    "an unknown coding": post(b"transfer-encoding: xchunked\r\n", CHUNKS),
    "chunked, identity": post(b"transfer-encoding: chunked, identity\r\n", CHUNKS),
    "gzip, chunked": post(b"transfer-encoding: gzip, chunked\r\n", CHUNKS),
    "chunked twice": post(b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", CHUNKS),
    "chunked, then identity": post(b"transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n", CHUNKS),
    "identity, then chunked": post(b"transfer-encoding: identity\r\ntransfer-encoding: chunked\r\n", CHUNKS),
    "chunks in 1.0": post(b"transfer-encoding: chunked\r\n", CHUNKS, b"HTTP/1.0"),
    "chunked behind a vertical tab": post(b"transfer-encoding: \x0bchunked\r\n", CHUNKS),
    "no coding": post(b"transfer-encoding:\r\n", CHUNKS),
    "a quoted coding": post(b'transfer-encoding: "chunked"\r\n', CHUNKS),
    "a folded coding": post(b"transfer-encoding:\r\n chunked\r\n", CHUNKS),
    "a coding with a space before the colon": post(b"transfer-encoding : chunked\r\n", CHUNKS),
    "chunks that end with LF": chunked(CHUNKS.replace(b"\r\n", b"\n")),
    "a chunk of 0x9": chunked(b"0x" + CHUNKS),
    "a negative chunk": chunked(b"-" + CHUNKS),
    "a chunk's size with a space": chunked(CHUNKS.replace(b"9\r\n", b"9 \r\n", 1)),
    "a chunk beyond 64 bits": chunked(b"f" * 17 + b"\r\n" + BODY),
    "a chunk that goes on": chunked(CHUNKS.replace(b"}\r\n", b"}")),
    "LF in a chunk's extension": chunked(CHUNKS.replace(b"9\r\n", b"9;a\nb\r\n", 1)),
}  # fmt: skip
ANSWERED = {
    "a whole address": get(b"http://a/ping"),
    "an empty host": get(headers=b"host:\r\n"),
    "a host with a port": get(headers=b"host: [::1]:8080\r\n"),
    "a query": get(b"/ping?"),
    "lines before the first": b"\r\n\r\n" + get(),
    "a body that nobody wants": get(headers=b"host: a\r\ncontent-length: 9\r\n") + BODY,
    "a length with zeros": post(b"content-length: 009\r\n"),
    "chunked in another case": post(b"transfer-encoding: CHUNKED\r\n", CHUNKS),
    "a chunk's extension": chunked(CHUNKS.replace(b"9\r\n", b"9;a=b\r\n", 1)),
    "another expectation": post(b"content-length: 9\r\nexpect: more\r\n"),
    "no header of ours": post(b"transfer_encoding: chunked\r\ncontent-length: 9\r\n"),
}


@pytest.fixture(scope="module")
def served(models: Library, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with container(models, tmp_path_factory.mktemp("smuggling"), client_seconds=120, idle_seconds=600) as made:
        yield made


def answers(served: Served, sent: bytes) -> bytes:
    with connected(served, sent) as connection:
        connection.settimeout(10)
        return read(connection)


@pytest.mark.parametrize("sent", BAD_REQUEST.values(), ids=BAD_REQUEST.keys())
def test_what_may_be_read_in_two_ways_is_refused_once(served: Served, sent: bytes) -> None:
    answer = answers(served, sent + NEXT)
    assert answer.startswith(b"HTTP/1.1 400")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b'"error_code":"MALFORMED_REQUEST"' in answer
    assert b"\r\nconnection: close\r\n" in answer
    assert good(served)


@pytest.mark.parametrize("sent", ANSWERED.values(), ids=ANSWERED.keys())
def test_what_is_right_is_answered_and_so_is_the_next(served: Served, sent: bytes) -> None:
    answer = answers(served, sent + NEXT)
    assert answer.count(b"HTTP/1.1 200") == answer.count(b"HTTP/1.1 ") == 2


def test_http_1_0_needs_no_host(served: Served) -> None:
    answer = answers(served, get(headers=b"", version=b"HTTP/1.0"))
    assert answer.startswith(b"HTTP/1.1 200")


def test_a_body_that_breaks_behind_its_answer_gets_no_second_one(served: Served) -> None:
    refused = chunked(b"").replace(b"application/json", b"text/html")
    with connected(served, refused) as connection:
        connection.settimeout(10)
        answer = connection.recv(65_536)
        assert answer.startswith(b"HTTP/1.1 415")
        connection.sendall(b"no length\r\n" + NEXT)
        answer += read(connection)
    assert answer.count(b"HTTP/1.1 ") == 1


SPELLINGS = [b"/%6detrics", b"/%4Detrics", b"/metrics%2F", b"/%2Fmetrics", b"/health%2Flive", b"/health%2flive", b"/x/../metrics",
             b"/./metrics", b"/x/%2e%2e/metrics", b"//metrics", b"/health//live", b"/health\\live", b"/METRICS", b"/metrics/", b"/metrics;a=b",
             b"/metrics%00", b"/metrics%20", b"/metrics%3Fx", b"/%256detrics", b"/metrics%", b"/v2/models/tw%6F", b"/v2/models/two%2Fready",
             b"/v2/models/x/../two/ready", b"/v2//models/two", b"/v2/models/two/versions/%31"]  # fmt: skip


@pytest.fixture(scope="module", params=["predict", "predict_event"])
def function(request: pytest.FixtureRequest, functions: Functions) -> Served:
    """In functions-framework's host."""
    return functions("two_outputs", request.param, METRICS="true", DRY_RUN="true")


@pytest.mark.parametrize("target", SPELLINGS)
def test_an_address_has_one_spelling(function: Served, target: bytes) -> None:
    """What a proxy's rule holds back must not come by under another name."""
    first, _ = answers(function, get(target, b"host: a\r\nconnection: close\r\n")).split(b"\r\n", 1)
    assert first.split()[1] in (b"400", b"404", b"405")
