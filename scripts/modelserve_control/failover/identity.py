"""The identity token that callers of the function show."""

from __future__ import annotations

import subprocess
import time
from typing import Final

from google.auth.exceptions import GoogleAuthError
from google.auth.transport.requests import Request
from google.oauth2 import id_token

FRESH_SECONDS: Final = 300.0  # tokens live for an hour; a watch may be longer than what is left of one
GCLOUD_SECONDS: Final = 30.0


class Identity:
    """Of a service account: for `audience`. Of a person: what gcloud gives, which Cloud Run takes for any service."""

    def __init__(self, audience: str) -> None:
        self.audience = audience
        self._token: str | None = None
        self._until = 0.0

    def headers(self) -> dict[str, str]:
        """None to show is no error here: a function may be open to anybody."""
        if time.monotonic() >= self._until:
            self._token = of_account(self.audience) or of_person()
            self._until = time.monotonic() + FRESH_SECONDS
        return {"Authorization": f"Bearer {self._token}"} if self._token else {}


def of_account(audience: str) -> str | None:
    try:
        found: str = id_token.fetch_id_token(Request(), audience)  # type: ignore[no-untyped-call]  # google-auth types only a part
    except (GoogleAuthError, ValueError):
        return None
    return found


def of_person() -> str | None:
    command = ["gcloud", "auth", "print-identity-token"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=GCLOUD_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
