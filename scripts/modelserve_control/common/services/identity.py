"""Identity tokens for services that not everybody may call.

The audience of a token is the service's own address, also where the service is reached through a tag or a load balancer.
"""

import re
import shlex
import subprocess
import time
from collections.abc import Callable
from typing import Final

from modelserve.core.errors import BadSetting
from modelserve_control.common.errors import NoIdentity

TokenSource = Callable[[str], str | None]
"""From an audience to its token, or to None where there is no identity. Raises NoIdentity."""

CACHE_SECONDS: Final = 300.0  # tokens live for an hour, and a source may return one that is not new
TIMEOUT_SECONDS: Final = 60.0
GCLOUD: Final = "gcloud auth print-identity-token"


class Identity:
    """The token for `audience`, fetched once and again after CACHE_SECONDS. The absence of a token is cached too."""

    def __init__(self, source: TokenSource, audience: str) -> None:
        self.audience = audience.rstrip("/")
        self._source = source
        self._token: str | None = None
        self._expires = 0.0

    def headers(self) -> dict[str, str]:
        if time.monotonic() >= self._expires:
            self._token = self._source(self.audience)
            self._expires = time.monotonic() + CACHE_SECONDS
        return {"authorization": f"Bearer {self._token}"} if self._token else {}


def token_source(command: str | None, default: TokenSource) -> TokenSource:
    """Runs the user's command, if there is one, with `{audience}` replaced. Its stderr is the user's to read; the token is
    never printed. Raises BadSetting."""
    if not command:
        return default
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise BadSetting(f"--token-command cannot be parsed: {error}.") from error
    if not words:
        raise BadSetting("--token-command is empty.")

    def fetch(audience: str) -> str:
        try:
            token = read_token([word.replace("{audience}", audience) for word in words])
        except (OSError, subprocess.SubprocessError) as error:
            raise NoIdentity(f"--token-command gave no identity token: {type(error).__name__}.") from error
        if token is None:
            raise NoIdentity("--token-command gave no identity token: it must print one word of ASCII.")
        return token

    return fetch


def anonymous(audience: str) -> None:
    """For services that anybody may call."""


def service_account(audience: str) -> str | None:
    """From the metadata server, or from the file that GOOGLE_APPLICATION_CREDENTIALS names."""
    from google.auth.exceptions import GoogleAuthError
    from google.auth.transport.requests import Request
    from google.oauth2.id_token import fetch_id_token

    fetch: Callable[[Request, str], str] = fetch_id_token  # google-auth is only partly typed
    try:
        return fetch(Request(), audience)
    except (GoogleAuthError, ValueError):
        return None


def required_service_account(audience: str) -> str:
    if token := service_account(audience):
        return token
    raise NoIdentity(
        f'There is no identity token for the services: run as a service account, or use --token-command "{GCLOUD}".'
    )


def service_account_or_user(audience: str) -> str | None:
    """A user's token comes from gcloud; Cloud Run accepts it for any service."""
    if token := service_account(audience):
        return token
    try:
        return read_token(GCLOUD.split(), stderr=subprocess.DEVNULL)
    except (OSError, subprocess.SubprocessError):
        return None


def read_token(command: list[str], stderr: int | None = None) -> str | None:
    """The one word that the command prints; None for anything else, which cannot be a header."""
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
        timeout=TIMEOUT_SECONDS,
        check=True,
    )
    printed: bytes = done.stdout.strip()
    return printed.decode() if re.fullmatch(rb"[!-~]+", printed) else None
