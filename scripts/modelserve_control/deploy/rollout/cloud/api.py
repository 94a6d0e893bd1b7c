"""How Google's APIs are called: where, as whom, and for how long in spite of what passes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from modelserve_control.deploy.rollout.errors import CloudFailed

T = TypeVar("T")

CALL = 60.0  # seconds that one question may take, its repetitions included
TIMEOUT = 20.0  # seconds for one attempt
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0  # seconds
PASSING = frozenset({408, 429, 500, 502, 503, 504})
SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)


class Pauses:
    """Sleeps longer each time, until `seconds` are over: then `again` is False."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        self._next = FIRST_PAUSE

    def again(self) -> bool:
        if time.monotonic() + self._next > self._end:
            return False
        time.sleep(self._next)
        self._next = min(self._next * 2, LONGEST_PAUSE)
        return True


def endpoint(api: str) -> str:
    """An address without a slash at its end; gcloud's own variable moves it."""
    given = os.environ.get(f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{api.upper()}")
    return (given or f"https://{api}.googleapis.com").rstrip("/")


def credentials(address: str) -> Any:
    """The environment's own, and none for a server without TLS, which must never see a token."""
    import google.auth
    from google.auth.credentials import AnonymousCredentials
    from google.auth.exceptions import DefaultCredentialsError

    if urlsplit(address).scheme == "http":
        return AnonymousCredentials()  # type: ignore[no-untyped-call]  # its own
    try:
        return google.auth.default(scopes=SCOPES)[0]
    except DefaultCredentialsError as error:
        raise CloudFailed(
            "There are no Google credentials here: run as a service account, "
            "or use gcloud auth application-default login."
        ) from error


def patiently(call: Callable[[], T], what: str) -> T:
    """The answer, asked for again while the failure may pass. Raises CloudFailed, or what the API says for good."""
    import requests
    from google.api_core.exceptions import GoogleAPICallError
    from google.auth.exceptions import GoogleAuthError, TransportError

    pauses = Pauses(CALL)
    while True:
        try:
            return call()
        except GoogleAPICallError as error:
            if error.code not in PASSING:
                raise
            reason: Exception = error
        except (requests.RequestException, TransportError) as error:
            reason = error
        except GoogleAuthError as error:
            raise CloudFailed("The credentials were refused when asked for an access token.") from error
        if not pauses.again():
            raise CloudFailed(f"{what} did not answer within {CALL:g} s.") from reason
