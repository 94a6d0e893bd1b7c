"""The load balancer's URL map and the backend services that it names, through the compute API."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from google.api_core import exceptions
from google.api_core.client_options import ClientOptions
from google.api_core.retry import Retry, if_transient_error
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import GoogleAuthError
from google.cloud import compute_v1

from modelserve.core.errors import NotFound, PreconditionFailed, ServeError
from modelserve_control.deploy.failover.weights import NAMES, Name, Weights

# How terraform/modules/fallback ends the names of the two backend services.
NAME_ENDINGS: Final[Mapping[Name, str]] = {"functions": "-predict", "gke": "-gateway"}

MAX_ATTEMPTS: Final = 5  # writes; somebody else may change another part of the URL map in between
CALL_SECONDS: Final = 30.0
WAIT_SECONDS: Final = 150.0  # the API holds a wait for up to two minutes
OPERATION_SECONDS: Final = 180.0


class ComputeFailed(ServeError):
    code = "COMPUTE_FAILED"
    status = HTTPStatus.BAD_GATEWAY


class NotShared(ServeError):
    """The URL map does not share requests between the two backend services that Terraform's fallback makes."""

    code = "NOT_SHARED"
    status = HTTPStatus.CONFLICT


def is_transient(error: Exception) -> bool:
    """Whether to try again. A second write is harmless: its fingerprint is outdated, so the API refuses it."""
    return if_transient_error(error) or isinstance(error, (exceptions.BadGateway, exceptions.GatewayTimeout))


RETRY: Final = Retry(is_transient, initial=0.2, maximum=5.0, timeout=60.0)


@dataclass(frozen=True)
class Reading:
    fingerprint: str
    weights: Weights
    services: Mapping[Name, str]
    action: Any


class Balancer:
    def __init__(self, project: str, url_map: str, endpoint: str | None) -> None:
        """`endpoint` is another address of the compute API. Without encryption it gets no token.

        Raises ComputeFailed without credentials.
        """
        self.project = project
        self.url_map = url_map
        plain = endpoint is not None and endpoint.startswith("http://")
        credentials = AnonymousCredentials() if plain else None  # type: ignore[no-untyped-call]  # google-auth types only a part
        options = ClientOptions(api_endpoint=endpoint)
        with translate_errors(f"the URL map {url_map}"):
            self._maps = compute_v1.UrlMapsClient(credentials=credentials, client_options=options)
            self._services = compute_v1.BackendServicesClient(credentials=credentials, client_options=options)
            self._operations = compute_v1.GlobalOperationsClient(credentials=credentials, client_options=options)

    def read(self) -> Reading:
        with translate_errors(f"the URL map {self.url_map}"):
            found = self._maps.get(project=self.project, url_map=self.url_map, retry=RETRY, timeout=CALL_SECONDS)
        action = found.default_route_action
        weights = {resource_name(one.backend_service): one.weight for one in action.weighted_backend_services}
        services = backend_services(self.url_map, list(weights))
        shared = Weights(**{name: weights[services[name]] for name in NAMES})
        if not shared.total:
            raise NotShared(f"The URL map {self.url_map} gives both sides the weight 0, so nobody gets requests.")
        return Reading(found.fingerprint, shared, services, action)

    def added_headers(self, service: str) -> dict[str, str]:
        with translate_errors(f"the backend service {service}"):
            found = self._services.get(project=self.project, backend_service=service, retry=RETRY, timeout=CALL_SECONDS)
        pairs = (header.partition(":") for header in found.custom_request_headers)
        return {name.strip(): value.strip() for name, _, value in pairs}

    def write(self, seen: Reading, wanted: Weights) -> None:
        """Returns when the change is done. Raises PreconditionFailed when somebody has moved the weights since `seen`.

        A change of anything else in the URL map is kept, and so is a change to the wanted weights.
        """
        for _ in range(MAX_ATTEMPTS):
            try:
                return self._patch(seen, wanted)
            except exceptions.PreconditionFailed:
                now = self.read()
            if now.weights.equals(wanted):
                return None
            if not now.weights.equals(seen.weights):
                raise PreconditionFailed(
                    f"Somebody else moved the weights meanwhile: from {seen.weights} to {now.weights}. Look at them, and decide again."
                )
            seen = now
        raise PreconditionFailed(
            f"The URL map {self.url_map} was changed {MAX_ATTEMPTS} times while it was read; nothing was moved."
        )

    def _patch(self, seen: Reading, wanted: Weights) -> None:
        # Not an update: it would remove fields that this version of the client does not know.
        action = compute_v1.HttpRouteAction(seen.action)
        for one in action.weighted_backend_services:
            one.weight = next(
                wanted.of(name) for name in NAMES if seen.services[name] == resource_name(one.backend_service)
            )
        change = compute_v1.UrlMap(fingerprint=seen.fingerprint, default_route_action=action)
        with translate_errors(f"the URL map {self.url_map}"):
            operation = self._maps.patch_unary(
                project=self.project, url_map=self.url_map, url_map_resource=change, retry=RETRY, timeout=CALL_SECONDS
            )
            self._finish(operation)

    def _finish(self, operation: Any) -> None:
        # The client's own future would ask Google's endpoint, not the one that was given.
        end = time.monotonic() + OPERATION_SECONDS
        while operation.status != compute_v1.Operation.Status.DONE:
            if time.monotonic() > end:
                raise ComputeFailed(
                    f"The change of {self.url_map} is not done after {OPERATION_SECONDS:g} s; look at --status."
                )
            operation = self._operations.wait(
                project=self.project, operation=operation.name, retry=RETRY, timeout=WAIT_SECONDS
            )
        if operation.error.errors or operation.http_error_status_code:
            reasons = [one.message or one.code for one in operation.error.errors] or [operation.http_error_message]
            raise ComputeFailed(f"The change of {self.url_map} failed: {'; '.join(reasons)}")


def backend_services(url_map: str, services: Sequence[str]) -> dict[Name, str]:
    found = {side: name for side, ending in NAME_ENDINGS.items() for name in services if name.endswith(ending)}
    if len(found) != len(NAMES) or len(services) != len(NAMES):
        raise NotShared(
            f"The URL map {url_map} must share requests between two backend services whose names end in "
            f"{' and '.join(NAME_ENDINGS.values())}; it names {', '.join(services) or 'none'}."
        )
    return found


def resource_name(address: str) -> str:
    return address.rpartition("/")[2]


@contextmanager
def translate_errors(subject: str) -> Iterator[None]:
    """Raise Google's errors as errors of this kit, except for an outdated fingerprint, after which the caller tries again."""
    try:
        yield
    except exceptions.PreconditionFailed:
        raise
    except exceptions.NotFound as error:
        raise NotFound(f"The compute API does not know {subject}: {error.message}") from error
    except exceptions.GoogleAPICallError as error:
        raise ComputeFailed(f"The compute API refused {subject}: {error.message}") from error
    except (exceptions.RetryError, GoogleAuthError, OSError) as error:
        raise ComputeFailed(f"The compute API did not answer about {subject}: {error}") from error
