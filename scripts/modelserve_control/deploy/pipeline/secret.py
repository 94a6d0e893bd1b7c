"""The newest version of a secret.

https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets.versions/access
"""

import base64
from http import HTTPStatus
from typing import Any

import click

from modelserve.core.errors import ServeError
from modelserve_control.common.output import prints_result
from modelserve_control.deploy.rollout.cloud.api import TIMEOUT_SECONDS, credentials, endpoint


class SecretRefused(ServeError):
    code = "SECRET_REFUSED"
    status = HTTPStatus.FORBIDDEN


@click.command()
@click.argument("name")
@prints_result(lambda found: str(found["text"]))
def secret(name: str) -> dict[str, Any]:
    """Print the text of the secret NAME, projects/P/secrets/S."""
    import requests
    from google.auth.exceptions import GoogleAuthError
    from google.auth.transport.requests import AuthorizedSession

    address = endpoint("secretmanager")
    try:
        with AuthorizedSession(credentials(address)) as session:  # type: ignore[no-untyped-call]  # its own
            answer = session.get(f"{address}/v1/{name}/versions/latest:access", timeout=TIMEOUT_SECONDS)
    except (requests.RequestException, GoogleAuthError) as error:
        raise SecretRefused(f"Secret Manager cannot be asked for {name}: {type(error).__name__}.") from error
    if answer.status_code != requests.codes.ok:
        raise SecretRefused(
            f"Secret Manager answered {answer.status_code} when asked for {name}: "
            "the account needs roles/secretmanager.secretAccessor on it."
        )
    return {"text": base64.b64decode(answer.json()["payload"]["data"]).decode()}


if __name__ == "__main__":
    secret()
