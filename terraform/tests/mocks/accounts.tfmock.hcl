# What the provider would make up: of a form that the real one takes where another resource names it.
mock_resource "google_service_account" {
  defaults = {
    email  = "somebody@example-dev.iam.gserviceaccount.com"
    member = "serviceAccount:somebody@example-dev.iam.gserviceaccount.com"
    name   = "projects/example-dev/serviceAccounts/somebody@example-dev.iam.gserviceaccount.com"
  }
}
