mock_provider "google" {
  source = "./tests/mocks"
}

mock_provider "google" {
  alias = "billing"
}

mock_provider "time" {}

# The n-th run of a variable breaks its n-th validation, and no other.

run "shadow_refuses_a_version" {
  command = plan
  variables {
    shadow = { alias = "v8" }
  }
  expect_failures = [var.shadow]
}

run "shadow_refuses_an_address" {
  command = plan
  variables {
    shadow = { name = "gs://other/models/churn" }
  }
  expect_failures = [var.shadow]
}

run "shadow_refuses_the_model_itself" {
  command = plan
  variables {
    shadow = { alias = "champion" }
  }
  expect_failures = [var.shadow]
}

run "shadow_refuses_more_than_every_answer" {
  command = plan
  variables {
    shadow = { percent = 101 }
  }
  expect_failures = [var.shadow]
}

run "shadow_refuses_a_tolerance_above_one" {
  command = plan
  variables {
    shadow = { tolerance = 2 }
  }
  expect_failures = [var.shadow]
}

run "shadow_refuses_more_memory_than_its_processors_may_have" {
  command = plan
  variables {
    predict_event = { memory = "3Gi" }
    shadow        = {}
  }
  expect_failures = [var.shadow]
}
