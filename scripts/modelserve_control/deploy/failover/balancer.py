"""The load balancer's URL map and the backend services that it names, through the compute API."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from google.api_core import exceptions
from google.api_core.client_options import ClientOptions
from google.api_core.retry import Retry, if_transient_error
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import GoogleAuthError
from google.cloud import compute_v1

from modelserve.core.errors import NotFound, PreconditionFailed
from modelserve_control.deploy.failover.errors import ComputeFailed, NotShared
from modelserve_control.deploy.failover.weights import NAMES, Name, Weights

# What terraform/modules/fallback calls the two backend services, after its own name.
ENDINGS: Final[Mapping[Name, str]] = {"functions": "-predict", "gke": "-gateway"}

ATTEMPTS: Final = 5  # writes; each but the first after somebody else changed another part of the URL map
CALL_SECONDS: Final = 30.0
WAIT_SECONDS: Final = 150.0  # a wait is held for up to two minutes
OPERATION_SECONDS: Final = 180.0


def passing(error: Exception) -> bool:
    """Whether to ask again. Writing twice is harmless: the second finds another fingerprint and is refused."""
    return if_transient_error(error) or isinstance(error, (exceptions.BadGateway, exceptions.GatewayTimeout))


RETRY: Final = Retry(passing, initial=0.2, maximum=5.0, timeout=60.0)


@dataclass(frozen=True)
class Reading:
    """The URL map as it was when its fingerprint was read. `services` are the names of the backend services."""

    fingerprint: str
    weights: Weights
    services: Mapping[Name, str]
    action: Any


class Balancer:
    def __init__(self, project: str, url_map: str, endpoint: str | None) -> None:
        """`endpoint` is another address of the compute API; no token is shown to one without encryption.

        Raises ComputeFailed without credentials.
        """
        self.project = project
        self.url_map = url_map
        plain = endpoint is not None and endpoint.startswith("http://")
        shown = AnonymousCredentials() if plain else None  # type: ignore[no-untyped-call]  # google-auth types only a part
        options = ClientOptions(api_endpoint=endpoint)
        with spoken(f"the URL map {url_map}"):
            self._maps = compute_v1.UrlMapsClient(credentials=shown, client_options=options)
            self._services = compute_v1.BackendServicesClient(credentials=shown, client_options=options)
            self._operations = compute_v1.GlobalOperationsClient(credentials=shown, client_options=options)

    def read(self) -> Reading:
        with spoken(f"the URL map {self.url_map}"):
            found = self._maps.get(project=self.project, url_map=self.url_map, retry=RETRY, timeout=CALL_SECONDS)
        action = found.default_route_action
        weights = {last(one.backend_service): one.weight for one in action.weighted_backend_services}
        services = sides(self.url_map, list(weights))
        shared = Weights(**{name: weights[services[name]] for name in NAMES})
        if not shared.total:
            raise NotShared(f"The URL map {self.url_map} gives both sides the weight 0, which shares out nothing.")
        return Reading(found.fingerprint, shared, services, action)

    def added_headers(self, service: str) -> dict[str, str]:
        """What the load balancer adds to every request for a backend service."""
        with spoken(f"the backend service {service}"):
            found = self._services.get(project=self.project, backend_service=service, retry=RETRY, timeout=CALL_SECONDS)
        pairs = (header.partition(":") for header in found.custom_request_headers)
        return {name.strip(): value.strip() for name, _, value in pairs}

    def write(self, seen: Reading, wanted: Weights) -> None:
        """Returns when the change is done. Raises PreconditionFailed when somebody moved the weights since `seen`.

        A change of anything else in the URL map is kept, and so is one that does what was wanted.
        """
        for _ in range(ATTEMPTS):
            try:
                return self._patch(seen, wanted)
            except exceptions.PreconditionFailed:
                now = self.read()
            if now.weights.same(wanted):
                return None
            if not now.weights.same(seen.weights):
                raise PreconditionFailed(
                    f"Somebody else moved the weights meanwhile: {now.weights}; before it was {seen.weights}. Look, and decide again."
                )
            seen = now
        raise PreconditionFailed(
            f"The URL map {self.url_map} was changed {ATTEMPTS} times while it was read; nothing was moved."
        )

    def _patch(self, seen: Reading, wanted: Weights) -> None:
        # Not an update: that would take away whatever this version of the client does not know.
        action = compute_v1.HttpRouteAction(seen.action)
        for one in action.weighted_backend_services:
            one.weight = next(wanted.of(name) for name in NAMES if seen.services[name] == last(one.backend_service))
        change = compute_v1.UrlMap(fingerprint=seen.fingerprint, default_route_action=action)
        with spoken(f"the URL map {self.url_map}"):
            operation = self._maps.patch_unary(
                project=self.project, url_map=self.url_map, url_map_resource=change, retry=RETRY, timeout=CALL_SECONDS
            )
            self._finish(operation)

    def _finish(self, operation: Any) -> None:
        # The client's own future would ask Google's endpoint whatever ours is.
        end = time.monotonic() + OPERATION_SECONDS
        while operation.status != compute_v1.Operation.Status.DONE:
            if time.monotonic() > end:
                raise ComputeFailed(
                    f"The change of {self.url_map} is not done after {OPERATION_SECONDS:g} s; ask for --status."
                )
            operation = self._operations.wait(
                project=self.project, operation=operation.name, retry=RETRY, timeout=WAIT_SECONDS
            )
        if operation.error.errors or operation.http_error_status_code:
            reasons = [one.message or one.code for one in operation.error.errors] or [operation.http_error_message]
            raise ComputeFailed(f"The change of {self.url_map} failed: {'; '.join(reasons)}")


def sides(url_map: str, services: Sequence[str]) -> dict[Name, str]:
    """The names of the backend services by side."""
    found = {side: name for side, ending in ENDINGS.items() for name in services if name.endswith(ending)}
    if len(found) != len(NAMES) or len(services) != len(NAMES):
        raise NotShared(
            f"The URL map {url_map} must share requests between two backend services whose names end in "
            f"{' and '.join(ENDINGS.values())}; it names {', '.join(services) or 'none'}."
        )
    return found


def last(address: str) -> str:
    return address.rpartition("/")[2]


@contextmanager
def spoken(what: str) -> Iterator[None]:
    """Google's errors as ours, but for a stale fingerprint, which is not the end."""
    try:
        yield
    except exceptions.PreconditionFailed:
        raise
    except exceptions.NotFound as error:
        raise NotFound(f"The compute API knows no such thing as {what}: {error.message}") from error
    except exceptions.GoogleAPICallError as error:
        raise ComputeFailed(f"The compute API refused {what}: {error.message}") from error
    except (exceptions.RetryError, GoogleAuthError, OSError) as error:
        raise ComputeFailed(f"The compute API did not answer about {what}: {error}") from error
