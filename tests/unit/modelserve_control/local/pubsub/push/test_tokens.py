from __future__ import annotations

import base64
import json

from modelserve_control.local.pubsub.push.tokens import LIFETIME_SECONDS, Tokens


def part(token: str, index: int) -> dict[str, object]:
    text = token.split(".")[index]
    content: dict[str, object] = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return content


def test_a_token_names_the_service_account_and_the_audience() -> None:
    claims = part(Tokens().bearer("push@p.iam.gserviceaccount.com", "https://f/", 1_000_000), 1)
    assert claims["email"] == "push@p.iam.gserviceaccount.com"
    assert claims["email_verified"] is True
    assert claims["aud"] == "https://f/"
    assert claims["iss"] == "https://accounts.google.com"
    assert (claims["iat"], claims["exp"]) == (1_000_000, 1_000_000 + LIFETIME_SECONDS)


def test_a_token_has_three_parts_and_claims_no_signature() -> None:
    token = Tokens().bearer("a", "b", 1_000_000)
    assert token.count(".") == 2
    assert token.endswith(".")
    assert part(token, 0)["alg"] == "none"


def test_a_token_is_used_again_until_half_of_its_lifetime_is_over() -> None:
    tokens = Tokens()
    first = tokens.bearer("a", "b", 1_000_000)
    assert tokens.bearer("a", "b", 1_000_000 + LIFETIME_SECONDS / 2 - 1) == first
    assert tokens.bearer("a", "other", 1_000_000) != first
    assert tokens.bearer("a", "b", 1_000_000 + LIFETIME_SECONDS / 2) != first
