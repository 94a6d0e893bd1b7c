"""Calls of Google's APIs: address, credentials and retries."""

import os
from collections.abc import Callable
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from modelserve_control.deploy.rollout.errors import CloudFailed

T = TypeVar("T")

CALL_SECONDS: Final = 60.0  # of a call with all its retries
TIMEOUT_SECONDS: Final = 20.0  # of one attempt
MIN_PAUSE, MAX_PAUSE = 0.05, 2.0  # seconds
RETRYABLE: Final = frozenset({408, 429, 500, 502, 503, 504})
SCOPES: Final = ("https://www.googleapis.com/auth/cloud-platform",)


def endpoint(api: str) -> str:
    override = os.environ.get(f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{api.upper()}")
    return (override or f"https://{api}.googleapis.com").rstrip("/")


def credentials(address: str) -> Any:
    """The credentials of the environment. A server without TLS gets none, because it must not see a token."""
    import google.auth
    from google.auth.credentials import AnonymousCredentials
    from google.auth.exceptions import DefaultCredentialsError

    if urlsplit(address).scheme == "http":
        return AnonymousCredentials()  # type: ignore[no-untyped-call]  # google-auth is only partly typed
    try:
        return google.auth.default(scopes=SCOPES)[0]
    except DefaultCredentialsError as error:
        raise CloudFailed(
            "There are no Google credentials here: run as a service account, "
            "or use gcloud auth application-default login."
        ) from error


def with_retries(call: Callable[[], T], what: str) -> T:
    """Raises CloudFailed, or an error of the API that a retry does not help."""
    import requests
    from google.api_core.exceptions import GoogleAPICallError, RetryError
    from google.api_core.retry import Retry
    from google.auth.exceptions import GoogleAuthError, TransportError

    def is_retryable(error: Exception) -> bool:
        if isinstance(error, GoogleAPICallError):
            return error.code in RETRYABLE
        return isinstance(error, (requests.RequestException, TransportError))

    retry = Retry(is_retryable, initial=MIN_PAUSE, maximum=MAX_PAUSE, timeout=CALL_SECONDS)
    try:
        return retry(call)()
    except RetryError as error:
        raise CloudFailed(f"{what} did not answer within {CALL_SECONDS:g} s.") from error
    except GoogleAuthError as error:
        raise CloudFailed("The credentials were refused when an access token was requested.") from error
