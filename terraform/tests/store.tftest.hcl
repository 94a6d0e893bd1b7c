mock_provider "google" {
  mock_data "google_project" {
    defaults = { number = "123456789012" }
  }
}

variables {
  environment    = "dev"
  model          = { name = "churn" }
  project_id     = "example-dev"
  region         = "europe-west1"
  source_archive = "modelserve-0123456789abcdef.zip"
}

run "an_empty_project_is_one_plan" {
  command = plan

  assert {
    condition     = length(google_cloudfunctions2_function.this) == 2
    error_message = "There must be two functions."
  }
}
