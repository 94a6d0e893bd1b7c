"""The identity token of a push, with the claims of Google's tokens and without a signature.

On Cloud Run the front end checks the token before a function gets the request; here nothing does. With `alg: none` every
check of the token fails, so that nothing trusts a key of this machine.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any

LIFETIME_SECONDS = 3_600  # as Google's


class Tokens:
    """One token per service account and audience, replaced when half of its lifetime is over."""

    def __init__(self) -> None:
        self._tokens: dict[tuple[str, str], tuple[float, str]] = {}

    def bearer(self, service_account: str, audience: str, now: float) -> str:
        """`now` is in seconds since 1970."""
        key = (service_account, audience)
        made, token = self._tokens.get(key, (0.0, ""))
        if not made <= now < made + LIFETIME_SECONDS / 2:
            token = identity_token(service_account, audience, now)
            self._tokens[key] = (now, token)
        return token


def identity_token(service_account: str, audience: str, now: float) -> str:
    # https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions#claims
    subject = str(int.from_bytes(hashlib.sha256(service_account.encode()).digest()[:8], "big"))
    claims = {
        "aud": audience,
        "azp": subject,
        "email": service_account,
        "email_verified": True,
        "exp": int(now) + LIFETIME_SECONDS,
        "iat": int(now),
        "iss": "https://accounts.google.com",
        "sub": subject,
    }
    return f"{_encode_part({'alg': 'none', 'typ': 'JWT'})}.{_encode_part(claims)}."


def _encode_part(content: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()
