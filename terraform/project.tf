data "google_project" "this" {
  project_id = var.project_id
}

data "google_storage_project_service_account" "this" {
  count = var.store.kms_key == null ? 0 : 1
}

locals {
  labels = merge(var.labels, {
    application = var.name
    environment = var.environment
  })

  _agent = "serviceAccount:service-${data.google_project.this.number}@gcp-sa"

  # Google's own accounts, which exist once the APIs are enabled (bootstrap/).
  agents = {
    monitoring = "${local._agent}-monitoring-notification.iam.gserviceaccount.com"
    pubsub     = "${local._agent}-pubsub.iam.gserviceaccount.com"
  }
}
