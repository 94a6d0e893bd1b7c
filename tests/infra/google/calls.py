"""What each identity asks Google for at run time: the pipeline, the functions, the jobs and the pods.

A row: who, what for, the permission, the kind of what it is on and its name. `models` and the like are this kit's own
names, which the environment's project makes; {number} and {project} are the project's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

MODELS: Final = "gs://{project}-modelserve-models"
TEMP: Final = "gs://{project}-modelserve-temp"
BUCKET: Final = "google_storage_bucket"
DATASET: Final = "google_bigquery_dataset"
TOPIC: Final = "google_pubsub_topic"
SUBSCRIPTION: Final = "google_pubsub_subscription"
REGISTRY: Final = "google_artifact_registry_repository"
SERVICE: Final = "google_cloud_run_v2_service"
JOB: Final = "google_cloud_run_v2_job"
PROJECT: Final = "google_project"

_ALIAS: Final = f"{MODELS}/models/churn/aliases/champion"
_VERSION: Final = f"{MODELS}/models/churn/versions/7/manifest.json"
_ROLLOUT: Final = f"{MODELS}/releases/rollouts/1.json"
_RELEASE: Final = f"{MODELS}/releases/models/churn/1.json"

Call = tuple[str, str, str, str, str]


def calls_of(prefix: str) -> Iterator[Call]:
    """What the functions of one model ask for, and who asks for them; of one of `models` the prefix is its key and a dash."""
    named = f"modelserve-{prefix}"
    result = f"gs://{{project}}-{named}results/1.json"
    for name in (f"{named}predict", f"{named}predict-event"):
        yield "deploy", "the rollout asks a revision", "run.routes.invoke", SERVICE, name
        yield "deploy", "the rollout reads the traffic", "run.services.get", SERVICE, name
        yield "deploy", "the rollout moves the traffic", "run.services.update", SERVICE, name
    for table in ("predictions", "dead_letters"):
        kept = f"{prefix.replace('-', '_')}{table}"
        yield "retrain", f"the drift check reads {table}", "bigquery.tables.getData", "google_bigquery_table", kept
    yield f"{prefix}http", "a version is loaded", "storage.objects.get", BUCKET, _VERSION
    yield f"{prefix}http", "the alias is read", "storage.objects.get", BUCKET, _ALIAS
    yield f"{prefix}event", "a version is loaded", "storage.objects.get", BUCKET, _VERSION
    yield f"{prefix}event", "a prediction is published", "pubsub.topics.publish", TOPIC, f"{named}predictions"
    yield f"{prefix}event", "a dead letter is published", "pubsub.topics.publish", TOPIC, f"{named}dead-letter"
    yield f"{prefix}event", "a result is kept", "storage.objects.create", BUCKET, result
    yield f"{prefix}event", "a result that is there is read", "storage.objects.get", BUCKET, result
    yield f"{prefix}push", "a message is delivered", "run.routes.invoke", SERVICE, f"{named}predict-event"


ALWAYS: Final = (
    ("deploy", "modelserve doctor reads the version", "storage.objects.get", BUCKET, _VERSION),
    ("deploy", "modelserve doctor reads the alias", "storage.objects.get", BUCKET, _ALIAS),
    ("deploy", "modelserve rollback moves the alias", "storage.objects.delete", BUCKET, _ALIAS),
    ("deploy", "modelserve rollback moves the alias", "storage.objects.create", BUCKET, _ALIAS),
    ("deploy", "modelserve rollout keeps its record", "storage.objects.create", BUCKET, _ROLLOUT),
    ("deploy", "modelserve rollout keeps its record", "storage.objects.delete", BUCKET, _ROLLOUT),
    ("deploy", "modelserve rollout lists records", "storage.objects.list", BUCKET, MODELS),
    ("deploy", "the list of parts is kept", "storage.objects.create", BUCKET, "gs://{project}-modelserve-source/sboms/1.json"),
    ("deploy", "the image is pushed", "artifactregistry.repositories.uploadArtifacts", REGISTRY, "modelserve-images"),
    ("deploy", "the image is pulled when a build is repeated", "artifactregistry.repositories.downloadArtifacts", REGISTRY, "modelserve-images"),
    ("deploy", "the manifests are pushed", "artifactregistry.repositories.uploadArtifacts", REGISTRY, "modelserve-manifests"),
    ("deploy", "the image is scanned", "ondemandscanning.scans.analyzePackages", PROJECT, "{project}"),
    ("deploy", "what the scan found is read", "ondemandscanning.scans.listVulnerabilities", PROJECT, "{project}"),
    ("deploy", "the rollout reads metrics", "monitoring.timeSeries.list", PROJECT, "{project}"),
    ("deploy", "the rollout signs its requests", "iam.serviceAccounts.getOpenIdToken", "google_service_account", "modelserve-deploy@{project}.iam.gserviceaccount.com"),
    ("deploy", "its log is written", "logging.logEntries.create", PROJECT, "{project}"),
    ("retrain", "modelserve publish reads a version", "storage.objects.get", BUCKET, _VERSION),
    ("retrain", "modelserve publish writes a version", "storage.objects.create", BUCKET, _VERSION),
    ("retrain", "modelserve promote moves the alias", "storage.objects.create", BUCKET, _ALIAS),
    ("retrain", "modelserve promote moves the alias", "storage.objects.delete", BUCKET, _ALIAS),
    ("retrain", "modelserve release keeps its record", "storage.objects.delete", BUCKET, _RELEASE),
    ("retrain", "the drift check queries", "bigquery.jobs.create", PROJECT, "{project}"),
    ("retrain", "its log is written", "logging.logEntries.create", PROJECT, "{project}"),
    ("test", "its log is written", "logging.logEntries.create", PROJECT, "{project}"),
    *calls_of(""),
    ("build", "its log is written", "logging.logEntries.create", PROJECT, "{project}"),
)  # fmt: skip

_POOL: Final = "principal://iam.googleapis.com/projects/{number}/locations/global/workloadIdentityPools/{project}.svc.id.goog/subject/ns/modelserve/sa"
HTTP_POD: Final = f"{_POOL}/http"
WORKER_POD: Final = f"{_POOL}/worker"

# With everything switched on.
WITH_EVERYTHING: Final = (
    ("batch", "a version is loaded", "storage.objects.get", BUCKET, _VERSION),
    ("batch", "files are listed", "storage.objects.list", BUCKET, "gs://{project}-batches"),
    ("batch", "an input is read", "storage.objects.get", BUCKET, "gs://{project}-batches/2026-03.parquet"),
    *(("batch", "an output is written and replaced", f"storage.objects.{what}", BUCKET, f"gs://{{project}}-batches/{place}/day.parquet") for what in ("create", "delete") for place in ("out", "scores/2026/03", "large-scores")),
    ("batch", "a session reads a table", "bigquery.readsessions.create", PROJECT, "{project}"),
    ("batch", "a table is read", "bigquery.tables.getData", DATASET, "modelserve"),
    ("batch", "a table is loaded and copied", "bigquery.jobs.create", PROJECT, "{project}"),
    *(("batch", "a table is replaced", f"bigquery.tables.{what}", DATASET, "scores") for what in ("create", "delete", "updateData")),
    ("batch", "a job is sent to Dataflow", "dataflow.jobs.create", PROJECT, "{project}"),
    ("batch", "a job of Dataflow is watched", "dataflow.messages.list", PROJECT, "{project}"),
    ("batch", "the workers run as their account", "iam.serviceAccounts.actAs", "google_service_account", "modelserve-dataflow@{project}.iam.gserviceaccount.com"),
    ("batch", "Beam looks at the bucket", "storage.buckets.get", BUCKET, TEMP),
    ("batch", "Beam stages the pipeline", "storage.objects.create", BUCKET, f"{TEMP}/large/pipeline.pb"),
    ("dataflow", "a worker takes its work", "dataflow.workItems.lease", PROJECT, "{project}"),
    ("dataflow", "a worker pulls its image", "artifactregistry.repositories.downloadArtifacts", REGISTRY, "modelserve-images"),
    ("dataflow", "a worker clears up", "storage.objects.delete", BUCKET, f"{TEMP}/large/shuffled"),
    ("dataflow", "a version is loaded", "storage.objects.get", BUCKET, _VERSION),
    ("dataflow", "an input is read", "storage.objects.get", BUCKET, "gs://{project}-batches/large/1.parquet"),
    ("dataflow", "a part is replaced", "storage.objects.delete", BUCKET, "gs://{project}-batches/large-scores/1.parquet"),
    ("console", "a version is shown", "storage.objects.get", BUCKET, _VERSION),
    ("console", "what a batch has left is listed", "storage.objects.list", BUCKET, "gs://{project}-batches"),
    ("group:team@example.com", "somebody looks", "iap.webServiceVersions.accessViaIAP", "google_iap_web_cloud_run_service", "modelserve-console"),
    ("start", "a schedule starts a batch", "run.jobs.run", JOB, "modelserve-batch-monthly"),
    ("start", "a batch is started for a file", "run.jobs.runWithOverrides", JOB, "modelserve-batch-arriving"),
    *((f"{prefix}{who}", "a row is logged", "pubsub.topics.publish", TOPIC, f"modelserve-{prefix}prediction-log") for prefix in ("", "flights-") for who in ("http", "event")),
    *((who, "a row is logged", "pubsub.topics.publish", TOPIC, "modelserve-prediction-log") for who in (HTTP_POD, WORKER_POD)),
    ("retrain", "the drift check opens a session", "bigquery.readsessions.create", PROJECT, "{project}"),
    *(("retrain", "the drift check reads the log", "bigquery.tables.getData", "google_bigquery_table", f"{prefix}prediction_log") for prefix in ("", "flights_")),
    *((who, "what a shadow saw is published", "pubsub.topics.publish", TOPIC, "modelserve-shadow") for who in ("http", "event", HTTP_POD, WORKER_POD)),
    *((who, "a release reads of the shadow", "pubsub.subscriptions.consume", SUBSCRIPTION, "modelserve-shadow-release") for who in ("deploy", "retrain")),
    *((who, "a version is loaded", "storage.objects.get", BUCKET, _VERSION) for who in (HTTP_POD, WORKER_POD)),
    ("deploy", "a plan needs the fallback's token", "secretmanager.versions.access", "google_secret_manager_secret", "modelserve-origin-token"),
    *calls_of("flights-"),
    *(("shop@{project}.iam.gserviceaccount.com", "a producer publishes", "pubsub.topics.publish", TOPIC, f"modelserve-{prefix}input") for prefix in ("", "flights-")),
    *(("app@{project}.iam.gserviceaccount.com", "a caller asks", "run.routes.invoke", SERVICE, f"modelserve-{prefix}predict") for prefix in ("", "flights-")),
    (WORKER_POD, "messages are pulled", "pubsub.subscriptions.consume", SUBSCRIPTION, "modelserve-events"),
    (WORKER_POD, "a prediction is published", "pubsub.topics.publish", TOPIC, "modelserve-predictions"),
    (WORKER_POD, "a dead letter is published", "pubsub.topics.publish", TOPIC, "modelserve-dead-letter"),
    (WORKER_POD, "a result is kept", "storage.objects.create", BUCKET, "gs://{project}-modelserve-results/1.json"),
    (WORKER_POD, "a result that is there is read", "storage.objects.get", BUCKET, "gs://{project}-modelserve-results/1.json"),
)  # fmt: skip

# Grants whose permission another grant has as well today; each says what it is for, and Google may change a role.
HELD_TWICE: Final = (
    (
        "deploy",
        "google_project_iam_member",
        "roles/browser",
    ),  # resourcemanager.projects.get is in monitoring.viewer too
    (
        "deploy",
        "google_cloud_run_v2_service_iam_member",
        "roles/run.invoker",
    ),  # run.routes.invoke is in run.developer too
    # storage.objects.get is in dataflow.worker too, of this project's buckets alone
    ("dataflow", "google_storage_bucket_iam_member", "roles/storage.objectViewer"),
)

# What must stay refused.
NEVER: Final = (
    ("http", "a version is overwritten", "storage.objects.delete", BUCKET, _VERSION),
    ("event", "an alias is moved", "storage.objects.create", BUCKET, _ALIAS),
    ("deploy", "a version is overwritten", "storage.objects.delete", BUCKET, _VERSION),
    ("deploy", "a version is written", "storage.objects.create", BUCKET, _VERSION),
    ("retrain", "a version is overwritten", "storage.objects.delete", BUCKET, _VERSION),
    ("retrain", "a version below a model called aliases is overwritten", "storage.objects.delete", BUCKET, f"{MODELS}/models/churn/versions/7/files/aliases/x"),
    ("retrain", "the record of a rollout is written", "storage.objects.create", BUCKET, _ROLLOUT),
    ("retrain", "the functions are updated", "cloudfunctions.functions.update", "google_cloudfunctions2_function", "modelserve-predict"),
    ("test", "a model is read", "storage.objects.get", BUCKET, _VERSION),
    ("test", "an image is pushed", "artifactregistry.repositories.uploadArtifacts", REGISTRY, "modelserve-images"),
    ("push", "predict is called", "run.routes.invoke", SERVICE, "modelserve-predict"),
    ("flights-push", "predict_event of another model is called", "run.routes.invoke", SERVICE, "modelserve-predict-event"),
    ("flights-event", "a prediction of another model is published", "pubsub.topics.publish", TOPIC, "modelserve-predictions"),
    ("event", "a result of another model is read", "storage.objects.get", BUCKET, "gs://{project}-modelserve-flights-results/1.json"),
    ("console", "an alias is moved", "storage.objects.create", BUCKET, _ALIAS),
    ("group:team@example.com", "the proxy is gone around", "run.routes.invoke", SERVICE, "modelserve-console"),
    ("app@{project}.iam.gserviceaccount.com", "a caller of predict looks", "iap.webServiceVersions.accessViaIAP", "google_iap_web_cloud_run_service", "modelserve-console"),
    ("batch", "an input is overwritten", "storage.objects.delete", BUCKET, "gs://{project}-batches/2026-03.parquet"),
    ("batch", "a table is overwritten that is only read", "bigquery.tables.updateData", DATASET, "modelserve"),
    ("batch", "a prediction is read", "bigquery.tables.getData", "google_bigquery_table", "predictions"),
    ("batch", "the functions are run as", "iam.serviceAccounts.actAs", "google_service_account", "modelserve-http@{project}.iam.gserviceaccount.com"),
    ("dataflow", "an input is overwritten", "storage.objects.delete", BUCKET, "gs://{project}-batches/large/1.parquet"),
    ("dataflow", "a version is overwritten", "storage.objects.delete", BUCKET, _VERSION),
    ("dataflow", "a job is sent to Dataflow", "dataflow.jobs.create", PROJECT, "{project}"),
    ("start", "a job is sent to Dataflow", "dataflow.jobs.create", PROJECT, "{project}"),
    ("batch", "a version is written", "storage.objects.create", BUCKET, _VERSION),
    ("batch", "a batch is started", "run.jobs.run", JOB, "modelserve-batch-monthly"),
    ("start", "a batch reads something else", "run.jobs.runWithOverrides", JOB, "modelserve-batch-monthly"),
    ("start", "a model is read", "storage.objects.get", BUCKET, _VERSION),
    ("flights-http", "a row of another model is logged", "pubsub.topics.publish", TOPIC, "modelserve-prediction-log"),
    ("http", "the log is read", "bigquery.tables.getData", "google_bigquery_table", "prediction_log"),
    ("build", "a model is read", "storage.objects.get", BUCKET, _VERSION),
)  # fmt: skip
