locals {
  # Dataflow's workers and the cluster's nodes are machines.
  _machines = ["compute.googleapis.com"]

  # By the part of terraform/ that uses them; serving is always there.
  apis = {
    serving = [
      "artifactregistry.googleapis.com",
      "cloudbuild.googleapis.com",
      "cloudfunctions.googleapis.com",
      "cloudkms.googleapis.com",
      "cloudresourcemanager.googleapis.com",
      "eventarc.googleapis.com",
      "iam.googleapis.com",
      "iap.googleapis.com",
      "logging.googleapis.com",
      "pubsub.googleapis.com",
      "run.googleapis.com",
      "secretmanager.googleapis.com",
      "serviceusage.googleapis.com",
      "storage.googleapis.com",
      "workflows.googleapis.com",
    ]
    dataflow = concat(local._machines, [
      "dataflow.googleapis.com",
    ])
    fallback = concat(local._machines, [
      "anthosconfigmanagement.googleapis.com",
      "binaryauthorization.googleapis.com",
      "container.googleapis.com",
      "gkehub.googleapis.com",
    ])
    pipeline = [
      "cloudscheduler.googleapis.com",
      "containeranalysis.googleapis.com",
      "iamcredentials.googleapis.com",
      "ondemandscanning.googleapis.com",
    ]
    tables = [
      "bigquery.googleapis.com",
    ]
    watching = [
      "billingbudgets.googleapis.com",
      "monitoring.googleapis.com",
    ]
  }
}

# Others may use an API too: taking this away leaves it enabled.
resource "google_project_service" "this" {
  for_each           = toset(flatten([local.apis.serving, [for part in var.parts : local.apis[part]]]))
  service            = each.key
  disable_on_destroy = false
}
