"""What Google refuses: one rule a line, each with where it was read.

A path such as build_config.source names an attribute of the resource that is made. `=text` is that text, with {project},
{number} and attributes of the resource filled in; `$pubsub` is an account of Google. Nothing here knows our modules.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

DOCS: Final = "https://cloud.google.com"
PROVIDER: Final = "hashicorp/terraform-provider-google"

# The API that makes each kind of resource: the longest beginning of its type counts.
APIS: Final = {
    "google_artifact_registry": "artifactregistry", "google_bigquery": "bigquery", "google_billing": "billingbudgets",
    "google_cloud_run": "run", "google_cloud_scheduler": "cloudscheduler", "google_cloudbuild": "cloudbuild",
    "google_cloudfunctions2": "cloudfunctions", "google_compute": "compute", "google_container": "container",
    "google_eventarc": "eventarc",
    "google_gke_hub": "gkehub", "google_iap": "iap", "google_kms": "cloudkms", "google_logging": "logging", "google_monitoring": "monitoring",
    "google_project": "cloudresourcemanager", "google_project_iam_custom_role": "iam",
    "google_project_service": "serviceusage", "google_pubsub": "pubsub", "google_secret_manager": "secretmanager",
    "google_service_account": "iam", "google_storage": "storage", "google_workflows": "workflows",
}  # fmt: skip

# Further APIs that a resource needs: the attribute that asks for it (empty: always), and the source.
MORE_APIS: Final = (
    ("google_cloudfunctions2_function", "", "cloudbuild", f"{DOCS}/functions/docs/deploy#before_you_begin"),
    ("google_cloudfunctions2_function", "", "run", f"{DOCS}/functions/docs/deploy#before_you_begin"),
    ("google_cloudfunctions2_function", "", "artifactregistry", f"{DOCS}/functions/docs/deploy#before_you_begin"),
    ("google_cloudfunctions2_function", "kms_key_name", "eventarc", f"{DOCS}/functions/docs/securing/cmek"),
    ("google_cloudbuild_trigger", "", "containeranalysis", f"{DOCS}/build/docs/securing-builds/generate-validate-build-provenance"),
    ("google_container_cluster", "", "compute", f"{DOCS}/kubernetes-engine/docs/how-to/creating-an-autopilot-cluster"),
    ("google_container_cluster", "binary_authorization", "binaryauthorization", f"{DOCS}/binary-authorization/docs/getting-started-cli"),
    ("google_gke_hub_feature_membership", "configmanagement", "anthosconfigmanagement", f"{DOCS}/kubernetes-engine/enterprise/config-sync/docs/how-to/installing-config-sync"),
)  # fmt: skip

# The API whose permissions begin with another word, and the one that a token is asked of.
API_OF: Final = {"resourcemanager": "cloudresourcemanager", "iam": "iamcredentials"}

# Accounts of Google: the address, and the API and kind of resource at whose first use it is made (row 12).
# https://cloud.google.com/iam/docs/service-agents
AGENTS: Final = {
    "artifactregistry": "service-{number}@gcp-sa-artifactregistry.iam.gserviceaccount.com",
    "bigquery": "bq-{number}@bigquery-encryption.iam.gserviceaccount.com",
    "cloudfunctions": "service-{number}@gcf-admin-robot.iam.gserviceaccount.com",
    "compute": "service-{number}@compute-system.iam.gserviceaccount.com",
    "dataflow": "service-{number}@dataflow-service-producer-prod.iam.gserviceaccount.com",
    "eventarc": "service-{number}@gcp-sa-eventarc.iam.gserviceaccount.com",
    "iap": "service-{number}@gcp-sa-iap.iam.gserviceaccount.com",
    "monitoring": "service-{number}@gcp-sa-monitoring-notification.iam.gserviceaccount.com",
    "pubsub": "service-{number}@gcp-sa-pubsub.iam.gserviceaccount.com",
    "run": "service-{number}@serverless-robot-prod.iam.gserviceaccount.com",
    "storage": "service-{number}@gs-project-accounts.iam.gserviceaccount.com",
    "workflows": "service-{number}@gcp-sa-workflows.iam.gserviceaccount.com",
}

# Whose first resource makes such an account; google_project_service_identity makes that of its own service.
MAKERS: Final = {
    "google_bigquery_default_service_account": "bigquery",
    "google_cloudfunctions2_function": "cloudfunctions",
    "google_monitoring_uptime_check_config": "monitoring",
    "google_pubsub_topic": "pubsub",
    "google_storage_project_service_account": "storage",
}

BEFORE: Final = "before"  # asked when the resource is made
SETTLED: Final = "settled"  # as BEFORE, and the grant must have had a minute to take effect (row 2)
EVER: Final = "ever"  # asked only when the resource is used


@dataclass(frozen=True, slots=True)
class Need:
    """When a resource of `kind` with `where` set is made, `who` must hold `permission` on `on`, a `target`."""

    kind: str
    when: str
    who: str
    permission: str
    target: str
    on: str
    source: str
    where: str = ""


FUNCTION: Final = "google_cloudfunctions2_function"
BUILD: Final = "build_config.service_account"
RUNTIME: Final = "service_config.service_account_email"
SETTINGS: Final = "service_config.environment_variables"
SUBSCRIPTION: Final = "google_pubsub_subscription"
PUSH: Final = "push_config.oidc_token.service_account_email"
BUCKET: Final = "google_storage_bucket"
JOB: Final = "google_cloud_run_v2_job"
SERVICE: Final = "google_cloud_run_v2_service"
SYNC: Final = "configmanagement.config_sync.oci"
REGISTRY: Final = "google_artifact_registry_repository"

_BUILD: Final = f"{DOCS}/functions/docs/securing/build-custom-sa"
_COPY: Final = f"row 1: {PROVIDER}#20571"
_FIRST: Final = "the first instance loads the model that MODEL_URI names: functions/modelserve/store"
_SETTING: Final = "docs/settings.md: what the function does with this setting"
_CMEK: Final = f"row 12: {DOCS}/functions/docs/securing/cmek"

NEEDS: Final = (
    Need(FUNCTION, SETTLED, BUILD, "storage.objects.get", BUCKET, "=gs://gcf-v2-sources-{number}-{location}/code.zip", _COPY),
    Need(FUNCTION, SETTLED, BUILD, "storage.objects.get", BUCKET, "build_config.source.storage_source.bucket", _BUILD),
    Need(FUNCTION, SETTLED, BUILD, "artifactregistry.repositories.uploadArtifacts", REGISTRY, "build_config.docker_repository", _BUILD),
    Need(FUNCTION, SETTLED, BUILD, "logging.logEntries.create", "google_project", "=projects/{project}", _BUILD),
    Need(FUNCTION, SETTLED, RUNTIME, "storage.objects.get", BUCKET, f"{SETTINGS}.MODEL_URI", _FIRST),
    Need(FUNCTION, SETTLED, RUNTIME, "storage.objects.get", BUCKET, f"{SETTINGS}.SHADOW_MODEL_URI", _FIRST),
    Need(FUNCTION, SETTLED, RUNTIME, "storage.objects.create", BUCKET, f"{SETTINGS}.RESULTS_BUCKET", _SETTING),
    Need(FUNCTION, SETTLED, RUNTIME, "storage.objects.get", BUCKET, f"{SETTINGS}.RESULTS_BUCKET", _SETTING),
    Need(FUNCTION, SETTLED, RUNTIME, "pubsub.topics.publish", "google_pubsub_topic", f"{SETTINGS}.PREDICTIONS_TOPIC", _SETTING),
    Need(FUNCTION, SETTLED, RUNTIME, "pubsub.topics.publish", "google_pubsub_topic", f"{SETTINGS}.DEAD_LETTER_TOPIC", _SETTING),
    Need(FUNCTION, SETTLED, RUNTIME, "pubsub.topics.publish", "google_pubsub_topic", f"{SETTINGS}.LOG_TOPIC", _SETTING),
    Need(FUNCTION, SETTLED, RUNTIME, "pubsub.topics.publish", "google_pubsub_topic", f"{SETTINGS}.SHADOW_TOPIC", _SETTING),
    Need(FUNCTION, SETTLED, RUNTIME, "secretmanager.versions.access", "google_secret_manager_secret", "service_config.secret_environment_variables.secret", f"{DOCS}/functions/docs/configuring/secrets"),
    Need(SUBSCRIPTION, BEFORE, "$pubsub", "bigquery.tables.updateData", "google_bigquery_table", "bigquery_config.table", f"{DOCS}/pubsub/docs/create-bigquery-subscription#assign_roles"),
    Need(SUBSCRIPTION, BEFORE, "$pubsub", "bigquery.tables.get", "google_bigquery_table", "bigquery_config.table", f"{DOCS}/pubsub/docs/create-bigquery-subscription#assign_roles"),
    Need(SUBSCRIPTION, BEFORE, PUSH, "run.routes.invoke", SERVICE, "push_config.push_endpoint", f"{DOCS}/run/docs/triggering/pubsub-push"),
    Need(SUBSCRIPTION, EVER, "$pubsub", "pubsub.topics.publish", "google_pubsub_topic", "dead_letter_policy.dead_letter_topic", f"{DOCS}/pubsub/docs/handling-failures#grant_forwarding_permissions"),
    Need(SUBSCRIPTION, EVER, "$pubsub", "pubsub.subscriptions.consume", SUBSCRIPTION, "name", f"{DOCS}/pubsub/docs/handling-failures#grant_forwarding_permissions", where="dead_letter_policy"),
    Need("google_monitoring_uptime_check_config", EVER, "$monitoring", "run.routes.invoke", SERVICE, "monitored_resource.labels.host", f"{DOCS}/monitoring/uptime-checks#create-oidc", where="http_check.service_agent_authentication"),
    Need("google_container_cluster", BEFORE, "cluster_autoscaling.auto_provisioning_defaults.service_account", "logging.logEntries.create", "google_project", "=projects/{project}", f"{DOCS}/kubernetes-engine/docs/how-to/service-accounts"),
    Need("google_container_cluster", BEFORE, "cluster_autoscaling.auto_provisioning_defaults.service_account", "artifactregistry.repositories.downloadArtifacts", REGISTRY, "=*", f"{DOCS}/artifact-registry/docs/integrate-gke"),
    Need("google_gke_hub_feature_membership", BEFORE, f"{SYNC}.gcp_service_account_email", "artifactregistry.repositories.downloadArtifacts", REGISTRY, f"{SYNC}.sync_repo", f"{DOCS}/kubernetes-engine/enterprise/config-sync/docs/how-to/sync-oci-artifacts-from-artifact-registry"),
    Need("google_gke_hub_feature_membership", BEFORE, "={project}.svc.id.goog[config-management-system/root-reconciler]", "iam.serviceAccounts.getAccessToken", "google_service_account", f"{SYNC}.gcp_service_account_email", f"{DOCS}/kubernetes-engine/enterprise/config-sync/docs/how-to/sync-oci-artifacts-from-artifact-registry"),
    Need("google_cloud_scheduler_job", EVER, "http_target.oauth_token.service_account_email", "run.jobs.run", JOB, "http_target.uri", f"{DOCS}/run/docs/execute/jobs-on-schedule"),
    *(Need(JOB, EVER, f"${agent}", "cloudkms.cryptoKeyVersions.useToEncrypt", "google_kms_crypto_key", "template.template.encryption_key", f"{DOCS}/dataflow/docs/guides/customer-managed-encryption-keys", where="template.template.containers.command") for agent in ("compute", "dataflow")),
    Need("google_storage_notification", BEFORE, "$storage", "pubsub.topics.publish", "google_pubsub_topic", "topic", f"{DOCS}/storage/docs/reporting-changes#prereqs"),
    Need("google_eventarc_trigger", EVER, "service_account", "workflows.executions.create", "google_project", "=projects/{project}", f"{DOCS}/eventarc/standard/docs/workflows/roles-permissions"),
    Need(SERVICE, EVER, "$iap", "run.routes.invoke", SERVICE, "name", f"{DOCS}/run/docs/securing/identity-aware-proxy-cloud-run", where="iap_enabled"),
    Need("google_cloudbuild_trigger", EVER, "service_account", "logging.logEntries.create", "google_project", "=projects/{project}", f"{DOCS}/build/docs/securing-builds/configure-user-specified-service-accounts"),
    *(
        Need(kind, when, f"${agent}", "cloudkms.cryptoKeyVersions.useToEncrypt", "google_kms_crypto_key", path, _CMEK)
        for kind, path, when, agents in (
            (FUNCTION, "kms_key_name", SETTLED, ("artifactregistry", "cloudfunctions", "eventarc", "run", "storage")),
            (REGISTRY, "kms_key_name", BEFORE, ("artifactregistry",)),
            (BUCKET, "encryption.default_kms_key_name", BEFORE, ("storage",)),
            ("google_bigquery_dataset", "default_encryption_configuration.kms_key_name", BEFORE, ("bigquery",)),
            ("google_bigquery_table", "encryption_configuration.kms_key_name", BEFORE, ("bigquery",)),
            ("google_pubsub_topic", "kms_key_name", BEFORE, ("pubsub",)),
            (SERVICE, "template.encryption_key", BEFORE, ("run",)),
            (JOB, "template.template.encryption_key", BEFORE, ("run",)),
            ("google_workflows_workflow", "crypto_key_name", BEFORE, ("workflows",)),
        )
        for agent in agents
    ),
)  # fmt: skip

# What a caller who is not the administrator must hold: kind, operation, permission, kind and path of what it is on.
CALLS: Final = (
    ("google_project", "read", "resourcemanager.projects.get", "google_project", "=projects/{project}", "provider: data_source_google_project.go"),
    ("google_storage_project_service_account", "read", "resourcemanager.projects.get", "google_project", "=projects/{project}", f"{DOCS}/storage/docs/access-control/iam-json"),
    ("google_bigquery_default_service_account", "read", "resourcemanager.projects.get", "google_project", "=projects/{project}", "not said by Google's pages: as Storage's"),
    ("google_storage_bucket_object", "create", "storage.objects.create", BUCKET, "=gs://{bucket}/{name}", f"{DOCS}/storage/docs/access-control/iam-json"),
    ("google_storage_bucket_object", "create", "storage.objects.get", BUCKET, "=gs://{bucket}/{name}", "provider: it reads what it has written"),
    (FUNCTION, "update", "cloudfunctions.functions.update", FUNCTION, "name", f"{DOCS}/functions/docs/reference/iam/permissions"),
    (FUNCTION, "update", "cloudfunctions.functions.get", FUNCTION, "name", "provider: it reads what it has written"),
    (FUNCTION, "update", "cloudfunctions.operations.get", "google_project", "=projects/{project}", "row 3"),
    (FUNCTION, "update", "iam.serviceAccounts.actAs", "google_service_account", BUILD, f"{DOCS}/functions/docs/reference/iam/roles#additional-configuration"),
    (FUNCTION, "update", "iam.serviceAccounts.actAs", "google_service_account", RUNTIME, f"{DOCS}/functions/docs/reference/iam/roles#additional-configuration"),
)  # fmt: skip

# What a resource may be called, where the API takes less than the provider lets through (google/formats.py).
NAMES: Final = {
    "google_artifact_registry_repository": ("repository_id", r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?"),
    "google_bigquery_table": ("table_id", r"\w{1,1024}"),
    "google_cloud_run_v2_service": ("name", r"[a-z]([a-z0-9-]{0,47}[a-z0-9])?"),
    "google_cloud_run_v2_job": ("name", r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?"),
    "google_cloud_scheduler_job": ("name", r"[a-zA-Z\d_-]{1,500}"),
    "google_cloudbuild_trigger": ("name", r"[a-zA-Z0-9]([a-zA-Z0-9-]{0,62}[a-zA-Z0-9])?"),
    "google_cloudfunctions2_function": ("name", r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?"),
    "google_compute_*": ("name", r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?"),
    "google_gke_hub_membership": ("membership_id", r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"),
    "google_logging_metric": ("name", r"[A-Za-z0-9_.,+!*',()%/-]{1,100}"),
    "google_pubsub_*": ("name", r"(?!goog)[a-zA-Z][a-zA-Z0-9._~%+-]{2,254}"),
    "google_storage_bucket": ("name", r"(?!goog)[a-z0-9][a-z0-9_-]{1,61}[a-z0-9]"),
}  # fmt: skip

# What may be made a second time under its name.
OVERWRITTEN: Final = ("google_project_service", "google_storage_bucket_object")

# While this attribute is true the resource is not deleted.
PROTECTED: Final = {
    "google_bigquery_table": "deletion_protection",
    "google_cloud_run_v2_job": "deletion_protection",
    "google_cloud_run_v2_service": "deletion_protection",
    "google_container_cluster": "deletion_protection",
    "google_workflows_workflow": "deletion_protection",
}

# What holds others of this kind is not deleted while there are any, unless its attribute says that they go with it.
HOLDS: Final = {
    "google_storage_bucket": ("google_storage_bucket_object", "bucket", "name", "force_destroy"),
    "google_bigquery_dataset": ("google_bigquery_table", "dataset_id", "dataset_id", "delete_contents_on_destroy"),
}

# Kinds that the API does not delete while another resource refers to them ("resourceInUseByAnotherResource").
IN_USE: Final = ("google_compute_", "google_pubsub_schema")
