mock_provider "google" {
  source = "./tests/mocks"
}

mock_provider "google" {
  alias = "billing"
}

mock_provider "time" {}

# The n-th run of a variable breaks its n-th validation, and no other.

run "prediction_log_refuses_to_keep_nothing" {
  command = plan
  variables {
    prediction_log = { expiration_days = 0 }
  }
  expect_failures = [var.prediction_log]
}

run "prediction_log_refuses_more_than_every_request" {
  command = plan
  variables {
    prediction_log = { percent = 101 }
  }
  expect_failures = [var.prediction_log]
}

run "prediction_log_refuses_two_columns_in_one_text" {
  command = plan
  variables {
    prediction_log = { without = ["name,address"] }
  }
  expect_failures = [var.prediction_log]
}

run "prediction_log_refuses_to_be_without_tables" {
  command = plan
  variables {
    parts          = ["events"]
    prediction_log = {}
  }
  expect_failures = [var.prediction_log]
}

run "prediction_log_refuses_a_topic_of_ones_own" {
  command = plan
  variables {
    predict        = { environment = { LOG_TOPIC = "mine" } }
    prediction_log = {}
  }
  expect_failures = [var.prediction_log]
}
