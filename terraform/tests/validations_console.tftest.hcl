mock_provider "google" {
  source = "./tests/mocks"
}

mock_provider "google" {
  alias = "billing"
}

mock_provider "time" {}

variables {
  control_image = "example/control@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
}

# The n-th run of a variable breaks its n-th validation, and no other.

run "console_refuses_somebody_without_a_name" {
  command = plan
  variables {
    console = { members = ["allUsers"] }
  }
  expect_failures = [var.console]
}

run "console_refuses_to_move_anything" {
  command = plan
  variables {
    console = { members = ["user:me@example.com"], arguments = ["--write"] }
  }
  expect_failures = [var.console]
}

run "console_refuses_more_memory_than_its_processors_may_have" {
  command = plan
  variables {
    console = { members = ["user:me@example.com"], memory = "8Gi" }
  }
  expect_failures = [var.console]
}

run "console_refuses_to_be_without_an_image" {
  command = plan
  variables {
    console       = { members = ["user:me@example.com"] }
    control_image = null
  }
  expect_failures = [var.console]
}
