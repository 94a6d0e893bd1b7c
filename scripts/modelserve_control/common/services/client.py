"""The client of a running service of this kit, which shows it an identity token."""

import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final, Self
from urllib.parse import urlsplit

import httpx
import msgspec

from modelserve.core.errors import BadSetting
from modelserve_control.common.errors import ServiceUnreachable
from modelserve_control.common.services.identity import Identity, anonymous

LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
UNAUTHORIZED: Final = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
BUSY: Final = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
MIN_WAIT, DEFAULT_WAIT, MAX_WAIT = 0.1, 1.0, 10.0  # seconds until a busy service is asked again


class ServiceClient:
    """Redirects are not followed: a sign-in page is no answer of the service. Proxies are not used on this machine."""

    def __init__(
        self,
        url: str,
        identity: Identity | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float = 60.0,
        attempts: int = 1,
        keep_alive: bool = True,
    ) -> None:
        """`timeout` in seconds. A busy service is asked up to `attempts` times, when its Retry-After says. Without
        `keep_alive` each request has its own connection, so that another instance may answer it."""
        self.url = url.rstrip("/")
        self.identity = identity or Identity(anonymous, url)
        self.timeout = timeout
        self.attempts = attempts
        address = urlsplit(self.url)
        self._client = httpx.Client(
            headers=headers,
            timeout=timeout,
            limits=httpx.Limits(max_keepalive_connections=None if keep_alive else 0),
            trust_env=address.hostname not in LOOPBACK,
            verify=address.scheme == "https",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def get(self, path: str) -> httpx.Response:
        return self._request("GET", path)

    def post(self, path: str, body: bytes, params: Mapping[str, str] | None = None) -> httpx.Response:
        """`body` is JSON. Raises ServiceUnreachable and NoIdentity."""
        return self._request("POST", path, content=body, params=params, headers={"content-type": "application/json"})

    def _request(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, **request: Any
    ) -> httpx.Response:
        for attempt in range(1, self.attempts + 1):
            shown = {**(headers or {}), **self.identity.headers()}
            try:
                response = self._client.request(method, self.url + path, headers=shown, **request)
            except httpx.InvalidURL as error:
                raise BadSetting(f"{self.url} is not the address of a service: {error}.") from error
            except httpx.TimeoutException as error:
                raise ServiceUnreachable(self.url, f"no answer within {self.timeout:g} s") from error
            except httpx.HTTPError as error:
                raise ServiceUnreachable(self.url, f"no answer ({type(error).__name__})") from error
            if response.status_code not in BUSY or attempt == self.attempts:
                break
            time.sleep(retry_after(response))
        return response


def retry_after(response: httpx.Response) -> float:
    try:
        return min(MAX_WAIT, max(MIN_WAIT, float(response.headers["retry-after"])))
    except (KeyError, ValueError):
        return DEFAULT_WAIT


def decode(response: httpx.Response) -> Any:
    """The JSON value of the body; None where there is none."""
    try:
        return msgspec.json.decode(response.content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def model_of(response: httpx.Response) -> tuple[str | None, str | None]:
    """The name and the version of the model that answered."""
    return response.headers.get("x-model-name"), response.headers.get("x-model-version")
