mock_provider "google" {
  source = "./tests/mocks"
}

mock_provider "google" {
  alias = "billing"
}

mock_provider "time" {}

# The n-th run of a variable breaks its n-th validation, and no other.

run "models_refuses_a_key_that_begins_with_a_digit" {
  command = plan
  variables { models = { "2nd" = {} } }
  expect_failures = [var.models]
}

run "models_refuses_the_key_of_the_first" {
  command = plan
  variables { models = { model = {} } }
  expect_failures = [var.models]
}

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

run "models_refuses_an_unknown_trust" {
  command = plan
  variables { models = { flights = { trust = "all" } } }
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

run "models_refuses_a_memory_without_a_unit" {
  command = plan
  variables { models = { flights = { predict = { memory = "2" } } } }
  expect_failures = [var.models]
}

run "models_refuses_more_requests_at_once_than_cloud_run_sends" {
  command = plan
  variables { models = { flights = { predict = { concurrency = 1001 } } } }
  expect_failures = [var.models]
}

run "models_refuses_a_part_of_a_processor_for_the_requests_of_the_first" {
  command = plan
  variables { models = { flights = { predict = { cpu = "0.5" } } } }
  expect_failures = [var.models]
}

run "models_refuses_more_instances_than_the_first_may_have" {
  command = plan
  variables { models = { flights = { predict_event = { min_instances = 21 } } } }
  expect_failures = [var.models]
}

run "models_refuses_a_time_that_cloud_run_does_not_wait" {
  command = plan
  variables { models = { flights = { predict = { timeout_seconds = 3601 } } } }
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

run "models_refuses_a_setting_of_the_shadow" {
  command = plan
  variables { models = { flights = { predict = { environment = { SHADOW_TOPIC = "mine" } } } } }
  expect_failures = [var.models]
}

run "models_refuses_a_secret_file_that_is_no_path" {
  command = plan
  variables { models = { flights = { predict = { secret_files = { "key.pem" = { secret = "key" } } } } } }
  expect_failures = [var.models]
}

run "models_refuses_two_secret_files_in_a_directory" {
  command = plan
  variables { models = { flights = { predict_event = { secret_files = { "/secrets/a" = { secret = "a" }, "/secrets/b" = { secret = "b" } } } } } }
  expect_failures = [var.models]
}
