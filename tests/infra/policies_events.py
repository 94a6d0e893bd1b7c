"""No message is lost, and none is delivered for ever."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from infra.resources import Resource, functions, of

OUTAGE: Final = 1800
BACKOFF: Final = ("minimum_backoff", "maximum_backoff")
PUBSUB: Final = "@gcp-sa-pubsub.iam.gserviceaccount.com"


def topics_keep_their_messages(resources: Sequence[Resource]) -> Iterator[str]:
    for address, one in of(resources, "google_pubsub_topic"):
        if not one["message_retention_duration"]:
            yield f"{address} keeps nothing to play again"


def subscriptions_do_not_expire(resources: Sequence[Resource]) -> Iterator[str]:
    for address, one in of(resources, "google_pubsub_subscription"):
        if [policy["ttl"] for policy in one["expiration_policy"]] != [""]:
            yield f"{address} vanishes after 31 days without traffic"


def dead_letters_arrive_and_stay(resources: Sequence[Resource]) -> Iterator[str]:
    subscriptions = dict(of(resources, "google_pubsub_subscription"))
    topics = {one["id"]: one["name"] for _, one in of(resources, "google_pubsub_topic")}
    publishing = {
        one["topic"] for _, one in of(resources, "google_pubsub_topic_iam_member") if one["member"].endswith(PUBSUB)
    }
    taking = {
        one["subscription"]
        for _, one in of(resources, "google_pubsub_subscription_iam_member")
        if one["member"].endswith(PUBSUB) and one["role"] == "roles/pubsub.subscriber"
    }
    for address, one in subscriptions.items():
        for policy in one["dead_letter_policy"]:
            topic = topics[policy["dead_letter_topic"]]
            if topic not in publishing:
                yield f"{address}: Pub/Sub may not publish to {topic}"
            if one["name"] not in taking:
                yield f"{address}: Pub/Sub may not take its messages away"
            pulled = [
                other
                for other in subscriptions.values()
                if topics[other["topic"]] == topic and not other["bigquery_config"]
            ]
            if not pulled:
                yield f"{address}: nobody can pull from {topic}"


def what_is_pushed_has_a_dead_letter_policy(resources: Sequence[Resource]) -> Iterator[str]:
    for address, one in of(resources, "google_pubsub_subscription"):
        if one["push_config"] and not one["dead_letter_policy"]:
            yield f"{address} pushes what fails for ever"


def the_ack_deadline_covers_the_timeout(resources: Sequence[Resource]) -> Iterator[str]:
    for _, function in functions(resources):
        for address, one in of(resources, "google_pubsub_subscription"):
            service = function["service_config"][0]
            pushed = [push for push in one["push_config"] if push["push_endpoint"].startswith(service["uri"])]
            if pushed and one["ack_deadline_seconds"] < service["timeout_seconds"]:
                yield f"{address} delivers again while the function still works"


def pushes_are_signed_by_an_account_of_their_own(resources: Sequence[Resource]) -> Iterator[str]:
    running = {one["service_config"][0]["service_account_email"] for _, one in functions(resources)}
    for address, one in of(resources, "google_pubsub_subscription"):
        for push in one["push_config"]:
            signers = [token["service_account_email"] for token in push["oidc_token"]]
            if not signers:
                yield f"{address} pushes without a token"
            if running & set(signers):
                yield f"{address} is signed by the account that runs a function"


def an_outage_costs_no_message(resources: Sequence[Resource]) -> Iterator[str]:
    """Pub/Sub doubles the time between attempts until it is the longest."""
    for address, one in of(resources, "google_pubsub_subscription"):
        for policy in one["dead_letter_policy"]:
            attempts, waits = policy["max_delivery_attempts"], one["retry_policy"]
            least, most = (int(waits[0][name].removesuffix("s")) if waits else 0 for name in BACKOFF)
            lasting = sum(min(most, least * 2**past) for past in range(attempts - 1))
            if attempts < 10 or lasting < OUTAGE:
                yield f"{address} takes {attempts} attempts in {lasting} s, and then a good message for a dead letter"
