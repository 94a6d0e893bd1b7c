mock_provider "google" {
  source = "./tests/mocks"
}

mock_provider "google" {
  alias = "billing"
}

mock_provider "time" {}

variables {
  environment    = "dev"
  model          = { name = "churn" }
  project_id     = "example-dev"
  region         = "europe-west1"
  source_archive = "modelserve-0123456789abcdef.zip"
}

# The n-th run of a variable breaks its n-th validation, and no other.

run "models_refuses_a_key_that_is_too_long" {
  command = plan
  variables { models = { delights = {} } }
  expect_failures = [var.models]
}

run "models_refuses_a_name_that_cannot_be_published" {
  command = plan
  variables { models = { flights = { name = "flight delay" } } }
  expect_failures = [var.models]
}

run "models_refuses_a_caller_without_a_name" {
  command = plan
  variables { models = { flights = { invokers = ["allUsers"] } } }
  expect_failures = [var.models]
}

run "models_refuses_the_path_of_a_schema" {
  command = plan
  variables { models = { flights = { input_schema = "flights.avsc" } } }
  expect_failures = [var.models]
}

run "models_refuses_a_time_that_pubsub_does_not_wait" {
  command = plan
  variables { models = { flights = { predict_event = { timeout_seconds = 900 } } } }
  expect_failures = [var.models]
}

run "models_refuses_a_setting_that_terraform_sets" {
  command = plan
  variables { models = { flights = { predict = { environment = { MODEL_URI = "gs://b/models/m@champion" } } } } }
  expect_failures = [var.models]
}
