"""Which account has which role on what, as the text of Terraform says it, and who needs which."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from infra.relations.sources import Block, Sources, words

ON: Final = (
    "bucket", "cloud_function", "name", "project", "repository", "secret_id", "service_account_id", "subscription",
    "table_id", "topic",
)  # fmt: skip


class Grant(NamedTuple):
    account: str
    role: str
    on: str


class Need(NamedTuple):
    """Whoever runs a text with `says` in the file `path` needs this; `on` is part of what it is granted on."""

    path: str
    says: str
    account: str
    role: str
    on: str


MAIN, JOB, TEST = "cloudbuild.yaml", "cloudbuild/job.yaml", "cloudbuild/test.yaml"
LOGS: Final = "logging: CLOUD_LOGGING_ONLY"
ROLLOUT, APPLY = "modelserve rollout", "terraform -chdir=terraform apply"
PLAN: Final = "terraform -chdir=terraform plan"
FUNCTIONS: Final = "terraform/functions.tf"

NEEDS: Final = (
    Need(MAIN, LOGS, "deploy", "roles/logging.logWriter", "project"),
    Need(JOB, LOGS, "retrain", "roles/logging.logWriter", "project"),
    Need(TEST, LOGS, "test", "roles/logging.logWriter", "project"),
    Need(FUNCTIONS, 'service_account   = google_service_account.this["build"]', "build", "roles/logging.logWriter", "project"),
    Need(FUNCTIONS, "docker_repository = ", "build", "roles/artifactregistry.writer", '"functions"'),
    Need(FUNCTIONS, "storage_source", "build", "roles/storage.objectViewer", "source"),
    Need(FUNCTIONS, "MODEL_URI", "http", "roles/storage.objectViewer", "models"),
    Need(FUNCTIONS, "MODEL_URI", "event", "roles/storage.objectViewer", "models"),
    Need(FUNCTIONS, "RESULTS_BUCKET", "event", "roles/storage.objectCreator", "results"),
    Need(FUNCTIONS, "PREDICTIONS_TOPIC", "event", "roles/pubsub.publisher", '"predictions"'),
    Need(FUNCTIONS, "DEAD_LETTER_TOPIC", "event", "roles/pubsub.publisher", '"dead_letter"'),
    Need("terraform/subscriptions.tf", "oidc_token", "push", "roles/run.invoker", '"predict_event"'),
    Need(MAIN, PLAN, "deploy", "roles/browser", "project"),
    Need(MAIN, APPLY, "deploy", "roles/cloudfunctions.developer", "cloudfunctions2_function"),
    Need(MAIN, APPLY, "deploy", "google_project_iam_custom_role.operations[0].name", "project"),
    Need(MAIN, APPLY, "deploy", "roles/storage.objectUser", "source"),
    Need(MAIN, APPLY, "deploy", "roles/iam.serviceAccountUser", '"build"'),
    Need(MAIN, APPLY, "deploy", "roles/iam.serviceAccountUser", '"event"'),
    Need(MAIN, APPLY, "deploy", "roles/iam.serviceAccountUser", '"http"'),
    Need(MAIN, ROLLOUT, "deploy", "roles/run.developer", "cloudfunctions2_function"),
    Need(MAIN, ROLLOUT, "deploy", "roles/run.invoker", "cloudfunctions2_function"),
    Need(MAIN, ROLLOUT, "deploy", "roles/monitoring.viewer", "project"),
    Need(MAIN, ROLLOUT, "deploy", "roles/storage.objectUser", "models"),
    Need(MAIN, "deploy.pipeline.identity_token", "deploy", "roles/iam.serviceAccountOpenIdTokenCreator", '"deploy"'),
    Need(MAIN, "deploy.pipeline.secret", "deploy", "roles/secretmanager.secretAccessor", "each.value.secret_id"),
    Need(MAIN, "modelserve doctor", "deploy", "roles/storage.objectViewer", "models"),
    Need(MAIN, "cloudbuild/scan", "deploy", "roles/ondemandscanning.admin", "project"),
    Need(MAIN, "-images/modelserve", "deploy", "roles/artifactregistry.writer", '"images"'),
    Need(MAIN, 'docker push --quiet "$artifact"', "deploy", "roles/artifactregistry.writer", '"manifests"'),
    Need(JOB, "MODELSERVE_STORE", "retrain", "roles/storage.objectCreator", "models"),
    Need(JOB, "MODELSERVE_NAME", "retrain", "roles/bigquery.jobUser", "project"),
    Need(JOB, "MODELSERVE_NAME", "retrain", "roles/bigquery.dataViewer", "bigquery_table"),
)  # fmt: skip


def steps_have_their_grants(sources: Sources) -> Iterator[str]:
    granted = set(grants(sources))
    for need in NEEDS:
        if need.says not in sources[need.path]:
            yield f"{need.path} no longer says {need.says}: correct the table"
        elif not any((one.account, one.role) == (need.account, need.role) and need.on in one.on for one in granted):
            yield f"{need.path}: {need.says} needs {need.role} on {need.on} for {need.account}"


def grants(sources: Sources) -> Iterator[Grant]:
    for key in re.findall(r'"(\w+/roles/[\w.]+)" +=', sources.table("project_grants")):
        account, _, role = key.partition("/")
        yield Grant(account, role, "project")
    for key in re.findall(r'"(\w+/\w+/roles/[\w.]+)(?:/\d)?" +=', sources.table("store_grants")):
        bucket, account, role = key.split("/", 2)
        yield Grant(account, role, bucket)
    for block in sources.blocks():
        if block.labels and block.labels[0].endswith("_iam_member"):
            yield from expand(block)


def expand(block: Block) -> Iterator[Grant]:
    member, role = block.value("member"), block.value("role").strip('"')
    on = next((value for name in ON if (value := block.value(name))), "")
    on = "project" if on == "var.project_id" else on
    for key in words(block.value("for_each")) or [""]:
        found = re.fullmatch(r"local\.members(?:\.(\w+)|\[each\.key\])", member)
        account = (found[1] or key) if found else member
        if member == "local.members[each.value]":  # of each model
            [account] = re.findall(r'=> "\$\{[^}]*\}(\w+)"', block.value("for_each"))
        yield Grant(account, role.replace("each.key", f'"{key}"'), on.replace("each.key", f'"{key}"'))
