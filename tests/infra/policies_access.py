"""Who may do what: as little as possible, and on the smallest thing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from infra.resources import Resource, functions, grants, identity, model_of, of

# No resource below the project carries these roles.
ON_THE_PROJECT: Final = {
    "roles/logging.logWriter": "a build writes its log as its own account",
    "roles/monitoring.viewer": "the canary reads error ratio and latency",
    "roles/browser": "a plan asks for the project's number",
    "roles/ondemandscanning.admin": "scans are of the project; what may be pulled is granted on the repository",
    "roles/bigquery.jobUser": "a query is a job of the project",
    "roles/bigquery.readSessionUser": "a session that reads is of the project",
    "roles/dataflow.developer": "a job of Dataflow is of the project; as whom it runs is granted on the account",
    "roles/dataflow.worker": "no job carries a grant, and workers take their work from it",
    "roles/workflows.invoker": "no workflow carries a grant",
    "roles/container.defaultNodeServiceAccount": "nodes of GKE report as it asks them to",
}
EVERYBODY: Final = {"allUsers", "allAuthenticatedUsers"}


def nobody_is_public(resources: Sequence[Resource]) -> Iterator[str]:
    yield from (f"{address} grants everybody" for address, one in grants(resources) if one["member"] in EVERYBODY)


def grants_on_the_project_are_listed(resources: Sequence[Resource]) -> Iterator[str]:
    roles = of(resources, "google_project_iam_custom_role")
    listed = ON_THE_PROJECT.keys() | {
        one["name"] for _, one in roles if all(each.endswith(".get") for each in one["permissions"])
    }
    for address, one in of(resources, "google_project_iam_member"):
        narrow = one["role"] == "roles/storage.objectViewer" and one["condition"]
        if one["role"] not in listed and not narrow:
            yield f"{address} grants {one['role']} on the whole project"


def grants_take_nothing_from_others(resources: Sequence[Resource]) -> Iterator[str]:
    for one in resources:
        if one["mode"] == "managed" and one["type"].endswith(("_iam_binding", "_iam_policy")):
            yield f"{one['address']} removes grants that it does not know"


def there_are_no_keys(resources: Sequence[Resource]) -> Iterator[str]:
    yield from (f"{address} is a key that can be stolen" for address, _ in of(resources, "google_service_account_key"))


def functions_only_read_models(resources: Sequence[Resource]) -> Iterator[str]:
    jobs = ("-http", "-event", "-push")  # of each model
    running = {one["member"] for _, one in of(resources, "google_service_account") if one["account_id"].endswith(jobs)}
    for address, one in of(resources, "google_storage_bucket_iam_member"):
        if (
            one["bucket"].endswith("-models")
            and one["member"] in running
            and one["role"] != "roles/storage.objectViewer"
        ):
            yield f"{address} lets a function do more than read models"


def versions_cannot_be_overwritten(resources: Sequence[Resource]) -> Iterator[str]:
    for address, one in of(resources, "google_storage_bucket_iam_member"):
        harmless = one["role"] in ("roles/storage.objectViewer", "roles/storage.objectCreator")
        beside = [
            each["expression"].endswith('/versions/") == ""')
            or f'"projects/_/buckets/{one["bucket"]}/objects/releases/' in each["expression"]
            for each in one["condition"]
        ]
        if one["bucket"].endswith("-models") and not harmless and beside != [True]:
            yield f"{address} may overwrite a version, not only what stands beside it"


def retraining_writes_no_record_of_a_rollout(resources: Sequence[Resource]) -> Iterator[str]:
    """`modelserve rollout --resume` runs the command that is in it."""
    retrain = identity(resources, "retrain")["member"]
    for address, one in of(resources, "google_storage_bucket_iam_member"):
        if one["member"] == retrain and one["role"] != "roles/storage.objectViewer":
            said = "".join(each["expression"] for each in one["condition"])
            if "/objects/models/" not in said and "/objects/releases/models/" not in said:
                yield f"{address} may write what `modelserve rollout --resume` runs"


def only_who_serves_tells_of_a_shadow(resources: Sequence[Resource]) -> Iterator[str]:
    """The accounts of the functions, and the pods that may read models."""
    [topic] = [one["name"] for _, one in of(resources, "google_pubsub_topic") if one["id"] in shadow_topics(resources)]
    shadowed = {model_of(one) for _, one in functions(resources) if topics_of(one)}
    accounts = {f"{model}-{job}" for model in shadowed for job in ("http", "event")}
    serving = {one["member"] for _, one in of(resources, "google_service_account") if one["account_id"] in accounts} | {
        one["member"]
        for _, one in of(resources, "google_storage_bucket_iam_member")
        if one["bucket"].endswith("-models") and one["member"].startswith("principal://")
    }
    granted = [one for _, one in of(resources, "google_pubsub_topic_iam_member") if one["topic"] == topic]
    told = {(one["role"], one["member"]) for one in granted}
    for role, member in sorted(told ^ {("roles/pubsub.publisher", member) for member in serving}):
        yield f"{member} has {role} on {topic} and does not serve, or serves and does not have it"


def only_who_releases_reads_of_a_shadow(resources: Sequence[Resource]) -> Iterator[str]:
    releasing = {("roles/pubsub.subscriber", identity(resources, job)["member"]) for job in ("deploy", "retrain")}
    read = [one for _, one in of(resources, "google_pubsub_subscription") if one["topic"] in shadow_topics(resources)]
    if not read:
        yield "Nobody can read what a shadow tells"
    for one in read:
        granted = {
            (grant["role"], grant["member"])
            for _, grant in of(resources, "google_pubsub_subscription_iam_member")
            if grant["subscription"] == one["name"]
        }
        if granted != releasing:
            yield f"{one['name']} is read by {sorted(granted)}"


def shadow_topics(resources: Sequence[Resource]) -> set[str]:
    """Where the functions tell what differs."""
    return {topic for _, one in functions(resources) for topic in topics_of(one)}


def topics_of(function: Mapping[str, Any]) -> list[str]:
    settings = function["service_config"][0]["environment_variables"]
    return [settings["SHADOW_TOPIC"]] if "SHADOW_TOPIC" in settings else []


def functions_run_and_build_as_accounts_of_their_own(resources: Sequence[Resource]) -> Iterator[str]:
    accounts = [one["service_config"][0]["service_account_email"] for _, one in functions(resources)]
    known = {one["email"] for _, one in of(resources, "google_service_account")}
    if len(set(accounts)) != len(accounts) or not set(accounts) <= known:
        yield "Two functions share an account, or one has Google's default account"
    for address, one in functions(resources):
        if not one["build_config"][0]["service_account"]:
            yield f"{address} is built by Google's default account"


def builds_have_an_account_of_their_own(resources: Sequence[Resource]) -> Iterator[str]:
    known = {one["id"]: one["account_id"] for _, one in of(resources, "google_service_account")}
    for address, one in of(resources, "google_cloudbuild_trigger"):
        account = known.get(one["service_account"], "")
        if not account:
            yield f"{address} builds as Google's default account"
        for event in one["repository_event_config"]:
            if event["pull_request"] and not account.endswith("-test"):
                yield f"{address} runs code that nobody has read as {account}"


def what_changes_production_is_approved(resources: Sequence[Resource]) -> Iterator[str]:
    for address, one in of(resources, "google_cloudbuild_trigger"):
        job = one["substitutions"]["_JOB"]
        if job in ("deploy", "retrain") and not any(each["approval_required"] for each in one["approval_config"]):
            yield f"{address} changes production without anybody's approval"


def what_is_made_for_a_model_names_nothing_of_another(resources: Sequence[Resource]) -> Iterator[str]:
    """A later model has the same resources as the first, each with the key of the model in its address."""
    addresses = {one["address"]: one for one in resources if one["mode"] == "managed"}
    models = [re.sub(r".*-(?=[^-]*$)", "", model_of(one)) for _, one in functions(resources)]
    for key in sorted({model for model in models if any(f'["{model}-' in address for address in addresses)}):
        pairs = [
            (one, addresses[first])
            for own, one in addresses.items()
            if (first := own.replace(f"{key}-", "")) != own and first in addresses
        ]
        for mine, others in ((0, 1), (1, 0)):
            foreign = {name for pair in pairs for name in names_of(pair[others])} - {
                name for pair in pairs for name in names_of(pair[mine])
            }
            pattern = re.compile(rf"(?<![\w-])({'|'.join(map(re.escape, sorted(foreign)))})(?![\w-])")
            for pair in pairs:
                for text in texts_of(pair[mine]["values"]):
                    if found := pattern.search(text):
                        yield f"{pair[mine]['address']} names {found[0]}, which belongs to another model"


def names_of(one: Resource) -> set[str]:
    """By which other resources can name it."""
    values = one["values"]
    if one["type"] == "google_bigquery_table":  # predictions alone is also a word
        return {values["id"], f"{values['dataset_id']}.{values['table_id']}"}
    keys = ("account_id", "email", "id", "member", "name", "uri")
    return {value for key in keys if isinstance(value := values.get(key), str) and value}


def texts_of(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from texts_of(inner)
