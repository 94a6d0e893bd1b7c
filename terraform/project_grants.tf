# The only grants on the project: no resource carries these roles.
locals {
  project_grants = {
    "build/roles/logging.logWriter"       = "Cloud Build writes a build's log as the build's own account"
    "deploy/roles/browser"                = "A plan asks for the project's number"
    "deploy/roles/logging.logWriter"      = "Cloud Build writes a build's log as the build's own account"
    "deploy/roles/monitoring.viewer"      = "The canary reads its error ratio and latency"
    "deploy/roles/ondemandscanning.admin" = "The image is scanned before it is used"
    "retrain/roles/bigquery.jobUser"      = "The drift check queries; what it may read is granted on the tables"
    "retrain/roles/logging.logWriter"     = "Cloud Build writes a build's log as the build's own account"
    "test/roles/logging.logWriter"        = "Cloud Build writes a build's log as the build's own account"
  }
}

resource "google_project_iam_member" "this" {
  for_each = local.project_grants
  project  = var.project_id
  role     = trimprefix(each.key, "${split("/", each.key)[0]}/")
  member   = local.members[split("/", each.key)[0]]
}
