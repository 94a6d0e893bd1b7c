# Google makes these accounts at the first use of their service, and refuses a
# grant to an account that is not there: terraform/ grants them a key, topics and tables.
resource "google_project_service_identity" "this" {
  for_each = toset([for api in ["artifactregistry", "cloudfunctions", "compute", "dataflow", "eventarc", "iap", "pubsub", "run", "workflows"] : api if contains(keys(google_project_service.this), "${api}.googleapis.com")])
  provider = google-beta
  service  = google_project_service.this["${each.key}.googleapis.com"].service
}
