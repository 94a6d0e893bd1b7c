# The only grants on the project: no resource of ours carries these roles.
locals {
  project_grants = {
    "batch/roles/bigquery.jobUser"         = "Tables are loaded and copied by jobs; where they may be is granted on the datasets"
    "batch/roles/bigquery.readSessionUser" = "A session reads a table; which ones it may read is granted on the datasets"
    "batch/roles/dataflow.developer"       = "A job of Dataflow is of the project; as whom its workers run is granted on that account"
    "build/roles/logging.logWriter"        = "Cloud Build writes a build's log as the build's own account"
    "dataflow/roles/dataflow.worker"       = "Workers take their work from the project's job; it also lets them read and create objects in the project's buckets"
    "deploy/roles/browser"                 = "A plan asks for the project's number"
    "deploy/roles/logging.logWriter"       = "Cloud Build writes a build's log as the build's own account"
    "deploy/roles/monitoring.viewer"       = "The canary reads its error ratio and latency"
    "deploy/roles/ondemandscanning.admin"  = "The image is scanned before it is used"
    "retrain/roles/bigquery.jobUser"       = "The drift check queries; what it may read is granted on the tables"
    "retrain/roles/logging.logWriter"      = "Cloud Build writes a build's log as the build's own account"
    "start/roles/workflows.invoker"        = "Eventarc starts the workflow of a file that has arrived; no workflow carries a grant"
    "test/roles/logging.logWriter"         = "Cloud Build writes a build's log as the build's own account"
  }

  # What an account needs only for some batches.
  _needless_grants = [for grant, uses in {
    "batch/roles/bigquery.jobUser"         = local._datasets["roles/bigquery.dataEditor"]
    "batch/roles/bigquery.readSessionUser" = local._datasets["roles/bigquery.dataViewer"]
    "batch/roles/dataflow.developer"       = keys(local._dataflow)
    "start/roles/workflows.invoker"        = keys(local._arriving)
  } : grant if length(uses) == 0]
}

resource "google_project_iam_member" "this" {
  for_each = { for key, why in local.project_grants : key => why if contains(keys(local.identities), split("/", key)[0]) && !contains(local._needless_grants, key) }
  project  = var.project_id
  role     = trimprefix(each.key, "${split("/", each.key)[0]}/")
  member   = local.members[split("/", each.key)[0]]
}

# Cloud Functions copies the archive into a bucket of its own, which it makes
# with the first function, and the build reads it from there:
# https://github.com/hashicorp/terraform-provider-google/issues/20571
resource "google_project_iam_member" "build_reads_copies" {
  project = var.project_id
  role    = "roles/storage.objectViewer"
  member  = local.members.build

  condition {
    title      = "copies of sources only"
    expression = "resource.name.startsWith(\"projects/_/buckets/gcf-v2-sources-${data.google_project.this.number}-\")"
  }
}

# Whoever updates a function asks the project for the operation until it is
# done. Predefined roles that may do so may do much more.
resource "google_project_iam_custom_role" "operations" {
  count       = local.pipeline ? 1 : 0
  role_id     = "${replace(var.name, "-", "_")}_operations"
  title       = "${var.name} operations"
  description = "Asks whether an update of a function is done"
  permissions = ["cloudfunctions.operations.get"]
}

resource "google_project_iam_member" "deploy_waits" {
  count   = local.pipeline ? 1 : 0
  project = var.project_id
  role    = google_project_iam_custom_role.operations[0].name
  member  = local.members.deploy
}

# A grant takes effect a while after it was made, and a build that is earlier
# fails; the provider's own example of a function waits as long. It waits
# again when another model brings accounts that have just been granted theirs.
resource "time_sleep" "grants" {
  create_duration = "60s"
  triggers        = length(var.models) == 0 ? null : { models = join(",", keys(var.models)) }

  depends_on = [
    google_artifact_registry_repository_iam_member.build_writes,
    google_project_iam_member.build_reads_copies,
    google_project_iam_member.this,
    google_pubsub_topic_iam_member.event_publishes,
    google_pubsub_topic_iam_member.logs_publish,
    google_pubsub_topic_iam_member.shadows_publish,
    google_secret_manager_secret_iam_member.this,
    google_storage_bucket_iam_member.this,
  ]
}
