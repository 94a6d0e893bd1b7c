data "google_project" "this" {
  project_id = var.project_id
}

locals {
  labels = merge(var.labels, {
    application = var.name
    environment = var.environment
  })

  _agent = "serviceAccount:service-${data.google_project.this.number}@"

  # Google's own accounts, which exist once the APIs are enabled (bootstrap/).
  agents = {
    artifact_registry = "${local._agent}gcp-sa-artifactregistry.iam.gserviceaccount.com"
    functions         = "${local._agent}gcf-admin-robot.iam.gserviceaccount.com"
    monitoring        = "${local._agent}gcp-sa-monitoring-notification.iam.gserviceaccount.com"
    pubsub            = "${local._agent}gcp-sa-pubsub.iam.gserviceaccount.com"
    run               = "${local._agent}serverless-robot-prod.iam.gserviceaccount.com"
  }
}
