"""Access tokens: a service that breaks off is asked again, and one that refuses is not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from faults.store.conftest import QUICK
from http_server import GONE, Answer, Handler, Headers, http_server
from modelserve.core.errors import StoreUnavailable
from modelserve.store.buckets.credentials import Credentials
from modelserve.store.buckets.retry import Deadline

TOKEN = json.dumps({"access_token": "t", "expires_in": 3600, "token_type": "Bearer"}).encode()
REFUSAL = json.dumps({"error": "invalid_grant", "error_description": "no such account"}).encode()


class TokenService(Handler):
    kinds: list[str]

    def answer(self, body: bytes) -> Answer:
        self.kind = self.kinds.pop(0)
        if self.kind == "reset":
            return GONE
        return (HTTPStatus.BAD_REQUEST, {}, REFUSAL) if self.kind == "refuse" else (HTTPStatus.OK, {}, TOKEN)

    def reply(self, status: int, headers: Headers, body: bytes, sent: int | None = None) -> None:
        if self.kind == "half-headers":
            self.close_connection = True
            self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-ty")
        else:
            super().reply(status, headers, body, sent)


@pytest.fixture
def credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Credentials]:
    """Those of a service account that exists nowhere."""
    key = rsa.generate_private_key(65_537, 2_048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    with http_server(TokenService) as url:
        account = {"type": "service_account", "client_email": "a@p.iam.gserviceaccount.com", "private_key": pem}
        file = tmp_path / "account.json"
        file.write_text(json.dumps(account | {"token_uri": url, "project_id": "p"}))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
        yield Credentials()


@pytest.mark.parametrize("kind", ["reset", "half-headers"])
def test_a_token_service_that_breaks_off_is_asked_again(credentials: Credentials, kind: str) -> None:
    TokenService.kinds = [kind, kind, "token"]
    assert Deadline(QUICK).run(credentials.headers) == {"Authorization": "Bearer t"}
    assert TokenService.kinds == []


def test_a_token_service_that_refuses_is_asked_once(credentials: Credentials) -> None:
    TokenService.kinds = ["refuse"]
    with pytest.raises(StoreUnavailable, match="refused when asked for an access token"):
        Deadline(QUICK).run(credentials.headers)
