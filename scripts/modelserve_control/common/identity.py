"""Who this command is to a service that not everybody may call: an identity token for the address of the service.

The address is that of the service itself also where another one is asked: the address of a tag, or a load balancer.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import time
from collections.abc import Callable
from typing import Final

from modelserve.core.errors import BadSetting
from modelserve_control.common.errors import NoIdentity

Fetch = Callable[[str], str | None]
"""From an audience to its token, or to None where nobody is somebody enough. Raises NoIdentity."""

KEPT_SECONDS: Final = 300.0  # tokens live for an hour, and a cache may give one that is not new
TIMEOUT_SECONDS: Final = 60.0
GCLOUD: Final = "gcloud auth print-identity-token"


class Identity:
    """What is shown to `audience`: fetched once, and again after a while, also where there was nothing to show."""

    def __init__(self, fetch: Fetch, audience: str) -> None:
        self.audience = audience.rstrip("/")
        self._fetch = fetch
        self._token: str | None = None
        self._until = 0.0

    def headers(self) -> dict[str, str]:
        """Raises NoIdentity."""
        if time.monotonic() >= self._until:
            self._token = self._fetch(self.audience)
            self._until = time.monotonic() + KEPT_SECONDS
        return {"authorization": f"Bearer {self._token}"} if self._token else {}


def chosen(command: str | None, otherwise: Fetch) -> Fetch:
    """The user's own command comes first. Raises BadSetting."""
    return of_command(command) if command else otherwise


def of_command(command: str) -> Fetch:
    """What the command prints; `{audience}` in it is replaced. What it writes on stderr is its own to tell, and goes
    there; the token is never repeated."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise BadSetting(f"--token-command cannot be read: {error}.") from error
    if not words:
        raise BadSetting("--token-command is empty.")

    def fetch(audience: str) -> str:
        try:
            printed = ran([word.replace("{audience}", audience) for word in words])
        except (OSError, subprocess.SubprocessError) as error:
            raise NoIdentity(f"--token-command gave no identity token: {type(error).__name__}.") from error
        if printed is None:
            raise NoIdentity("--token-command gave no identity token: it must print one word of ASCII.")
        return printed

    return fetch


def of_nobody(audience: str) -> None:
    """For services that anybody may call."""


def of_account(audience: str) -> str | None:
    """Of the service account: from the metadata server, or from the file that GOOGLE_APPLICATION_CREDENTIALS names."""
    from google.auth.exceptions import GoogleAuthError
    from google.auth.transport.requests import Request
    from google.oauth2.id_token import fetch_id_token

    fetch: Callable[[Request, str], str] = fetch_id_token  # google-auth types only a part of itself
    try:
        return fetch(Request(), audience)
    except (GoogleAuthError, ValueError):
        return None


def of_account_only(audience: str) -> str:
    """Raises NoIdentity."""
    if found := of_account(audience):
        return found
    raise NoIdentity(
        f'There is no identity token for the services: run as a service account, or say --token-command "{GCLOUD}".'
    )


def of_account_or_person(audience: str) -> str | None:
    """Of a person, the token is what gcloud gives, which Cloud Run takes for any service."""
    if found := of_account(audience):
        return found
    try:
        return ran(GCLOUD.split(), stderr=subprocess.DEVNULL)
    except (OSError, subprocess.SubprocessError):
        return None


def ran(words: list[str], stderr: int | None = None) -> str | None:
    """The one word that it prints; None for anything else, which could be no header."""
    nothing, pipe = subprocess.DEVNULL, subprocess.PIPE
    done = subprocess.run(words, stdin=nothing, stdout=pipe, stderr=stderr, timeout=TIMEOUT_SECONDS, check=True)
    printed: bytes = done.stdout.strip()
    return printed.decode() if re.fullmatch(rb"[!-~]+", printed) else None
