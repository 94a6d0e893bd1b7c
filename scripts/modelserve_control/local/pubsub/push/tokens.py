"""The identity token of a push: the claims that Google's would have, without a signature.

Cloud Run's front end checks the token before a function sees the request; here nothing does. `alg: none` makes sure that
whoever does check it refuses it, instead of trusting a key of this machine.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any

LIFETIME = 3_600  # seconds, as Google's


class Tokens:
    """Makes one token per service account and audience, and a new one when half of its lifetime is over."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, str], tuple[float, str]] = {}

    def bearer(self, service_account: str, audience: str, now: float) -> str:
        """`now` is in seconds since 1970."""
        key = (service_account, audience)
        made, token = self._made.get(key, (0.0, ""))
        if not made <= now < made + LIFETIME / 2:
            token = identity_token(service_account, audience, now)
            self._made[key] = (now, token)
        return token


def identity_token(service_account: str, audience: str, now: float) -> str:
    # https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions#claims
    subject = str(int.from_bytes(hashlib.sha256(service_account.encode()).digest()[:8], "big"))
    claims = {
        "aud": audience,
        "azp": subject,
        "email": service_account,
        "email_verified": True,
        "exp": int(now) + LIFETIME,
        "iat": int(now),
        "iss": "https://accounts.google.com",
        "sub": subject,
    }
    return f"{_part({'alg': 'none', 'typ': 'JWT'})}.{_part(claims)}."


def _part(content: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()
