"""A service account of its own: a key made for the session, and the server that gives its identity tokens."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from pathlib import Path
from urllib.parse import parse_qs

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from contract.failover.servers import Answer, serve_json


def part(value: dict[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def audience(assertion: str) -> object:
    """What the client asks a token for."""
    claims = assertion.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["target_audience"]


def token(audience: object) -> str:
    now = int(time.time())
    return f"{part({'alg': 'RS256'})}.{part({'aud': audience, 'iat': now, 'exp': now + 3600})}.c2lnbmVk"


@contextmanager
def service_account(path: Path) -> Iterator[Path]:
    """The file for GOOGLE_APPLICATION_CREDENTIALS, while its tokens are given."""

    def give(method: str, path: str, headers: Message, body: bytes) -> Answer:
        return 200, {"id_token": token(audience(parse_qs(body.decode())["assertion"][0]))}

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    with serve_json(give) as url:
        account = {
            "type": "service_account",
            "project_id": "example-dev",
            "private_key_id": "1",
            "private_key": pem,
            "client_email": "deploy@example-dev.iam.gserviceaccount.com",
            "client_id": "1",
            "token_uri": url,
        }
        path.write_text(json.dumps(account))
        yield path
