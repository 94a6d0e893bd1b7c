"""An identity token of the build's own account.

Cloud Build's metadata server gives access tokens, but no identity tokens. The account therefore asks IAM for a token of
itself, which needs roles/iam.serviceAccountOpenIdTokenCreator on itself.
https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateIdToken
"""

from http import HTTPStatus
from typing import Any

import click

from modelserve.core.errors import ServeError
from modelserve_control.common.output import prints_result
from modelserve_control.deploy.rollout.cloud.api import TIMEOUT_SECONDS, credentials, endpoint


class TokenRefused(ServeError):
    code = "TOKEN_REFUSED"
    status = HTTPStatus.FORBIDDEN


@click.command()
@click.argument("account")
@click.argument("audience")
@prints_result(lambda found: str(found["token"]))
def identity_token(account: str, audience: str) -> dict[str, Any]:
    """Print an identity token of ACCOUNT for AUDIENCE, the address of a service."""
    import requests
    from google.auth.exceptions import GoogleAuthError
    from google.auth.transport.requests import AuthorizedSession

    address = endpoint("iamcredentials")
    try:
        with AuthorizedSession(credentials(address)) as session:  # type: ignore[no-untyped-call]  # its own
            answer = session.post(
                f"{address}/v1/projects/-/serviceAccounts/{account}:generateIdToken",
                json={"audience": audience, "includeEmail": True},
                timeout=TIMEOUT_SECONDS,
            )
    except (requests.RequestException, GoogleAuthError) as error:
        raise TokenRefused(f"IAM cannot be asked for an identity token: {type(error).__name__}.") from error
    if answer.status_code != requests.codes.ok:
        raise TokenRefused(
            f"IAM answered {answer.status_code} when asked for an identity token of {account}: "
            "the account needs roles/iam.serviceAccountOpenIdTokenCreator on itself."
        )
    return {"token": answer.json()["token"]}


if __name__ == "__main__":
    identity_token()
