"""What of a head is refused although the parser lets it pass. What the parser refuses too is in faults/test_smuggling.py."""

from __future__ import annotations

import pytest

from modelserve.server.heads import Headers, find_error

HOST = (b"host", b"a")
CHUNKED = (b"transfer-encoding", b"chunked")
RIGHT: dict[str, tuple[str, bytes, Headers]] = {
    "a path": ("1.1", b"/ping?a=b", [HOST]),
    "a whole address": ("1.1", b"HTTP://a:80/ping", [HOST]),
    "no address": ("1.1", b"*", [HOST]),
    "an empty host": ("1.1", b"/ping", [(b"host", b"")]),
    "a host with a port": ("1.1", b"/ping", [(b"host", b"[::1]:8080")]),
    "no host in 1.0": ("1.0", b"/ping", []),
    "chunks": ("1.1", b"/predict", [HOST, (b"transfer-encoding", b"CHUNKED")]),
}
WRONG: dict[str, tuple[str, bytes, Headers]] = {
    "HTTP/1.2": ("1.2", b"/ping", [HOST]),
    "HTTP/0.9": ("0.9", b"/ping", [HOST]),
    "HTTP/2.0": ("2.0", b"/ping", [HOST]),
    "no slash": ("1.1", b"ping", [HOST]),
    "a fragment": ("1.1", b"/ping#x", [HOST]),
    "an address with a user": ("1.1", b"http://u:p@a/ping", [HOST]),
    "an address of another scheme": ("1.1", b"ftp://a/ping", [HOST]),
    "an address without a path": ("1.1", b"http://a", [HOST]),
    "no host": ("1.1", b"/ping", []),
    "two hosts": ("1.1", b"/ping", [HOST, HOST]),
    "two hosts in 1.0": ("1.0", b"/ping", [HOST, HOST]),
    "a host with a path": ("1.1", b"/ping", [(b"host", b"a/metrics?")]),
    "a host with a space": ("1.1", b"/ping", [(b"host", b"a b")]),
    "chunks in 1.0": ("1.0", b"/predict", [HOST, CHUNKED]),
    "chunks twice": ("1.1", b"/predict", [HOST, CHUNKED, CHUNKED]),
    "another coding": ("1.1", b"/predict", [HOST, (b"transfer-encoding", b"gzip, chunked")]),
    "no coding": ("1.1", b"/predict", [HOST, (b"transfer-encoding", b"")]),
}


@pytest.mark.parametrize("head", RIGHT.values(), ids=RIGHT.keys())
def test_what_is_right_has_no_fault(head: tuple[str, bytes, Headers]) -> None:
    assert find_error(*head) is None


@pytest.mark.parametrize("head", WRONG.values(), ids=WRONG.keys())
def test_what_a_proxy_may_read_in_another_way_is_a_fault(head: tuple[str, bytes, Headers]) -> None:
    assert find_error(*head) is not None
