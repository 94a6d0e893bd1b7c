"""Access tokens for Cloud Storage: `google.auth` chooses the account, and this module fetches its tokens.

Google's own transports import requests or urllib3, which takes longer than downloading a small model.
"""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import google.auth
import google.auth.exceptions
import google.auth.transport

from modelserve.core.errors import StoreUnavailable
from modelserve.store.buckets.http_pool import CompleteHeaders
from modelserve.store.buckets.retry import Transient

SCOPES = ("https://www.googleapis.com/auth/devstorage.read_write",)
TIMEOUT = 20.0  # seconds; the metadata server answers in milliseconds, the token service in hundreds


class Credentials:
    """Those of the environment. Raises StoreUnavailable if there are none; access is never anonymous."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        with as_store_errors():
            self._credentials: Any = google.auth.default(scopes=SCOPES, request=TokenRequest())[0]

    def headers(self) -> dict[str, str]:
        """Raises StoreUnavailable if the credentials are refused, Transient if no token can be fetched right now."""
        with self._lock, as_store_errors():
            if not self._credentials.valid:
                self._credentials.refresh(TokenRequest())
            return {"Authorization": f"Bearer {self._credentials.token}"}


@contextmanager
def as_store_errors() -> Iterator[None]:
    try:
        yield
    except google.auth.exceptions.DefaultCredentialsError as error:
        raise StoreUnavailable(
            "There are no Google credentials here: run as a service account, "
            "or use gcloud auth application-default login."
        ) from error
    except google.auth.exceptions.GoogleAuthError as error:
        if error.retryable:
            raise Transient("no access token") from error
        raise StoreUnavailable("The credentials were refused when asked for an access token.") from error


class TokenRequest(google.auth.transport.Request):
    def __call__(
        self, url: str, method: str = "GET", body: Any = None, headers: Any = None, timeout: Any = None, **_: Any
    ) -> TokenResponse:
        parts = urlsplit(url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.netloc, timeout=timeout or TIMEOUT)
        connection.response_class = CompleteHeaders
        try:
            target = f"{parts.path}?{parts.query}" if parts.query else parts.path
            connection.request(method, target or "/", body, dict(headers or {}))
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return TokenResponse(answer.status, found, answer.read())
        except (OSError, http.client.HTTPException) as error:
            raise google.auth.exceptions.TransportError(error, retryable=True) from error  # type: ignore[no-untyped-call]  # its own
        finally:
            connection.close()


class TokenResponse(NamedTuple):
    """What google.auth reads of a `google.auth.transport.Response`."""

    status: int
    headers: Mapping[str, str]  # their names in lower case
    data: bytes
