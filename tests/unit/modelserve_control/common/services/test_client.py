"""A service is asked with its token, past any proxy of this machine, and again while it is busy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.message import Message
from threading import Thread, current_thread

import pytest

from http_server import GONE, Answer, answering
from modelserve.core.errors import BadSetting
from modelserve_control.common.errors import ServiceUnreachable
from modelserve_control.common.services.client import ServiceClient, decode, model_of
from modelserve_control.common.services.identity import Identity

BUSY: Answer = (503, {"retry-after": "0"}, b"")


@dataclass
class Service:
    """`answers` one after another; the last one for ever. Each connection has a thread of its own."""

    url: str = ""
    answers: list[Answer] = field(default_factory=lambda: [(200, {}, b'{"x": 1}')])
    requests: list[tuple[str, str, bytes]] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    threads: set[Thread] = field(default_factory=set)

    def answer(self, method: str, target: str, headers: Message, body: bytes) -> Answer:
        self.threads.add(current_thread())
        self.requests.append((method, target, body))
        self.headers.append({name.lower(): value for name, value in headers.items()})
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()
    with answering(made.answer) as made.url:
        yield made


def test_requests_carry_the_token_and_the_headers(service: Service) -> None:
    identity = Identity(lambda audience: f"token-for-{audience}", "https://audience")
    with ServiceClient(f"{service.url}/", identity, headers={"x-added": "1"}) as client:
        assert decode(client.get("/metadata")) == {"x": 1}
        client.post("/predict", b"[1]", {"predict_method": "predict_proba"})
    assert service.requests == [("GET", "/metadata", b""), ("POST", "/predict?predict_method=predict_proba", b"[1]")]
    assert {one["authorization"] for one in service.headers} == {"Bearer token-for-https://audience"}
    assert {one["x-added"] for one in service.headers} == {"1"}
    assert service.headers[1]["content-type"] == "application/json"


def test_no_proxy_is_asked_for_this_machine(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with ServiceClient(service.url) as client:
        assert client.get("/").status_code == 200


def test_a_redirect_is_no_answer_of_the_service(service: Service) -> None:
    service.answers[:] = [(302, {"location": "/sign-in"}, b"")]
    with ServiceClient(service.url) as client:
        assert client.get("/").status_code == 302
    assert len(service.requests) == 1


def test_a_busy_service_is_asked_again_up_to_its_attempts(service: Service) -> None:
    service.answers[:] = [BUSY, BUSY, (200, {"x-model-name": "m", "x-model-version": "7"}, b"")]
    with ServiceClient(service.url, attempts=3) as client:
        assert model_of(client.get("/")) == ("m", "7")
    service.answers[:] = [BUSY]
    service.requests.clear()
    with ServiceClient(service.url, attempts=2) as client:
        assert client.get("/").status_code == 503
    assert len(service.requests) == 2
    with ServiceClient(service.url) as client:
        client.get("/")
    assert len(service.requests) == 3


def test_without_keep_alive_each_request_has_its_own_connection(service: Service) -> None:
    for keep_alive, connections in ((True, 1), (False, 3)):
        service.threads.clear()
        with ServiceClient(service.url, keep_alive=keep_alive) as client:
            for _ in range(3):
                client.get("/")
        assert len(service.threads) == connections


def test_what_is_no_answer_is_told(service: Service) -> None:
    service.answers[:] = [GONE]
    with ServiceClient(service.url) as client, pytest.raises(ServiceUnreachable) as raised:
        client.get("/")
    assert raised.value.message == f"{service.url} gives no answer (RemoteProtocolError)."
    assert raised.value.code == "SERVICE_UNUSABLE"
    with ServiceClient("http://127.0.0.1:port") as client, pytest.raises(BadSetting, match="is not the address"):
        client.get("/")


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_json_has_no_value(service: Service, body: bytes) -> None:
    service.answers[:] = [(200, {}, body)]
    with ServiceClient(service.url) as client:
        assert decode(client.get("/")) is None
