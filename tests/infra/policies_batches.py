"""Batches: their accounts may do no more than they need, and a failure raises an alarm."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, Final

import click
from google.cloud import run_v2
from google.protobuf import json_format

from infra.resources import Resource, identity, of
from modelserve_control.batch.command import score

JOB: Final = "google_cloud_run_v2_job"
DATASET_ROLES: Final = {"--input": "roles/bigquery.dataViewer", "--output": "roles/bigquery.dataEditor"}
EXPRESSION: Final = re.compile(r"\$\{(.*)\}")


def batches_run_as_an_account_of_their_own(resources: Sequence[Resource]) -> Iterator[str]:
    batch, start = (identity(resources, job)["email"] for job in ("batch", "start"))
    for address, one in of(resources, JOB):
        if one["template"][0]["template"][0]["service_account"] != batch:
            yield f"{address} does not run as the account of batches"
    starting = [(address, one["service_account"]) for address, one in of(resources, "google_eventarc_trigger")]
    starting += [
        (address, token["service_account_email"])
        for address, one in of(resources, "google_cloud_scheduler_job")
        for target in one["http_target"]
        for token in target["oauth_token"]
    ]
    yield from (f"{address} starts it as {account}" for address, account in starting if account != start)


def batches_are_commands_that_exist(resources: Sequence[Resource]) -> Iterator[str]:
    """The command parses its arguments; the request for a file that arrives has the form of Cloud Run's API."""
    for address, one in of(resources, JOB):
        yield from (
            f"{address}: {wrong}" for wrong in refusals(one["template"][0]["template"][0]["containers"][0]["args"])
        )
    for address, one in of(resources, "google_workflows_workflow"):
        body = next(found for found in values(json.loads(one["source_contents"])) if "overrides" in found)
        asked = run_v2.RunJobRequest()
        json_format.ParseDict(body, run_v2.RunJobRequest.pb(asked))
        arguments = [EXPRESSION.sub("gs://B/", word) for word in asked.overrides.container_overrides[0].args]
        yield from (f"{address}: {wrong}" for wrong in refusals(arguments))


def refusals(arguments: list[str]) -> Iterator[str]:
    name, *rest = arguments
    if name != "score":
        yield f"there is no {name} here"
    try:
        score.make_context(name, list(rest))
    except click.ClickException as error:
        yield error.format_message()


def values(tree: Any) -> Iterator[dict[str, Any]]:
    """Each object in it."""
    if isinstance(tree, dict):
        yield tree
    for one in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from values(one)


def batches_reach_the_tables_that_they_name_and_no_others(resources: Sequence[Resource]) -> Iterator[str]:
    batch = identity(resources, "batch")["member"]
    granted = {
        (f"bq://{one['project']}.{one['dataset_id']}", one["role"])
        for _, one in of(resources, "google_bigquery_dataset_iam_member")
        if one["member"] == batch
    }
    named = {
        (address.rpartition(".")[0], role)
        for _, one in of(resources, JOB)
        for option, role in DATASET_ROLES.items()
        if (address := argument(one, option)).startswith("bq://")
    }
    for dataset, role in sorted(granted ^ named):
        yield f"batches have {role} on {dataset} and do not need it, or need it and do not have it"


def argument(job: dict[str, Any], option: str) -> str:
    """What follows an option in a job's command."""
    arguments: list[str] = job["template"][0]["template"][0]["containers"][0]["args"]
    return arguments[arguments.index(option) + 1]


def workers_have_an_account_of_their_own_and_no_address_outside(resources: Sequence[Resource]) -> Iterator[str]:
    email = identity(resources, "dataflow")["email"]
    for address, options in beam_options(resources):
        if f"service_account_email={email}" not in options:
            yield f"{address}: its workers run as Google's default account, or as who has other rights"
        if "no_use_public_ips" not in options:
            yield f"{address}: its workers can be reached from outside"


def what_workers_keep_is_encrypted(resources: Sequence[Resource]) -> Iterator[str]:
    keys = {one["crypto_key_id"] for _, one in of(resources, "google_kms_crypto_key_iam_member")}
    for address, options in beam_options(resources):
        if not options & {f"dataflow_kms_key={key}" for key in keys}:
            yield f"{address}: the disks of its workers are not encrypted with the key"


def beam_options(resources: Sequence[Resource]) -> Iterator[tuple[str, set[str]]]:
    """What each job on Dataflow tells Beam, without dashes."""
    for address, one in of(resources, JOB):
        words = one["template"][0]["template"][0]["containers"][0]["args"]
        if "DataflowRunner" in words:
            yield address, {value for option, value in pairwise(words) if option == "--beam"}


def batches_run_what_a_digest_names(resources: Sequence[Resource]) -> Iterator[str]:
    for address, one in of(resources, JOB):
        if "@sha256:" not in one["template"][0]["template"][0]["containers"][0]["image"]:
            yield f"{address} names its image by a tag"


def failed_batches_are_noticed(resources: Sequence[Resource]) -> Iterator[str]:
    alerts = [str(one["conditions"]) for _, one in of(resources, "google_monitoring_alert_policy")]
    for kind, label in ((JOB, "job_name"), ("google_workflows_workflow", "workflow_id")):
        for address, one in of(resources, kind):
            if not any(f'{label}="{one["name"]}"' in text for text in alerts):
                yield f"{address} may fail without an alarm"


def what_keeps_nothing_can_be_taken_away(resources: Sequence[Resource]) -> Iterator[str]:
    """The provider protects these unless it is told not to."""
    for kind in (JOB, "google_cloud_run_v2_service", "google_workflows_workflow"):
        for address, one in of(resources, kind):
            if one["deletion_protection"] is not False:
                yield f"{address} would stop terraform destroy"


def what_is_written_does_not_arrive(resources: Sequence[Resource]) -> Iterator[str]:
    writers = {identity(resources, job)["member"] for job in ("batch", "dataflow")}
    notified = {(one["bucket"], one["object_name_prefix"]) for _, one in of(resources, "google_storage_notification")}
    for _, one in of(resources, "google_storage_bucket_iam_member"):
        for condition in one["condition"] if one["member"] in writers else ():
            [name] = re.findall(r"/objects/(.*)\"", condition["expression"])
            for bucket, prefix in notified:
                if bucket == one["bucket"] and (not prefix or name.startswith(prefix)):
                    yield f"What is written to gs://{bucket}/{name} would arrive again"
