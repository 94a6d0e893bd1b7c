"""Identity tokens, which Cloud Run asks of whoever calls a private service.

The audience is the address of the service itself, also for a request to the address of a tag.
"""

from __future__ import annotations

import shlex
import subprocess
import time
from collections.abc import Callable

from modelserve.errors import SettingError
from modelserve_control.rollout.api import TIMEOUT
from modelserve_control.rollout.errors import NoIdentityToken

Token = Callable[[str], str]

KEPT = 600.0  # seconds; Google's own live for an hour


def tokens(command: str | None) -> Token:
    """A token for an audience, kept for a while. Raises NoIdentityToken."""
    fetch = of_command(command) if command else of_environment
    kept: dict[str, tuple[float, str]] = {}

    def token(audience: str) -> str:
        made, value = kept.get(audience, (0.0, ""))
        if not value or time.monotonic() - made > KEPT:
            value = fetch(audience)
            kept[audience] = time.monotonic(), value
        return value

    return token


def of_environment(audience: str) -> str:
    """Of the service account: from the metadata server, or from the file that GOOGLE_APPLICATION_CREDENTIALS names."""
    from google.auth.exceptions import GoogleAuthError
    from google.auth.transport.requests import Request
    from google.oauth2.id_token import fetch_id_token

    try:
        return str(fetch_id_token(Request(), audience))  # type: ignore[no-untyped-call]  # its own
    except GoogleAuthError as error:
        raise NoIdentityToken(
            "There is no identity token for the services: run as a service account, "
            'or say --token-command "gcloud auth print-identity-token".'
        ) from error


def of_command(command: str) -> Token:
    """`{audience}` in it is replaced."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise SettingError(f"--token-command cannot be read: {error}.") from error

    def fetch(audience: str) -> str:
        try:
            done = subprocess.run(
                [word.replace("{audience}", audience) for word in words],
                stdout=subprocess.PIPE,
                stdin=subprocess.DEVNULL,
                text=True,
                timeout=3 * TIMEOUT,
                check=True,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise NoIdentityToken(f"--token-command gave no identity token: {type(error).__name__}.") from error
        return done.stdout.strip()

    return fetch
