data "google_project" "this" {
  project_id = var.project_id
}

locals {
  labels = merge(var.labels, {
    application = var.name
    environment = var.environment
  })

  events   = contains(var.parts, "events")
  pipeline = contains(var.parts, "pipeline")
  tables   = contains(var.parts, "tables")
  watching = contains(var.parts, "watching")

  _agent = "serviceAccount:service-${data.google_project.this.number}@"

  # Google's own accounts, which bootstrap/ makes; Monitoring makes its own with its first uptime check.
  agents = {
    artifact_registry = "${local._agent}gcp-sa-artifactregistry.iam.gserviceaccount.com"
    compute           = "${local._agent}compute-system.iam.gserviceaccount.com"
    dataflow          = "${local._agent}dataflow-service-producer-prod.iam.gserviceaccount.com"
    eventarc          = "${local._agent}gcp-sa-eventarc.iam.gserviceaccount.com"
    functions         = "${local._agent}gcf-admin-robot.iam.gserviceaccount.com"
    iap               = "${local._agent}gcp-sa-iap.iam.gserviceaccount.com"
    monitoring        = "${local._agent}gcp-sa-monitoring-notification.iam.gserviceaccount.com"
    pubsub            = "${local._agent}gcp-sa-pubsub.iam.gserviceaccount.com"
    run               = "${local._agent}serverless-robot-prod.iam.gserviceaccount.com"
    workflows         = "${local._agent}gcp-sa-workflows.iam.gserviceaccount.com"
  }
}
