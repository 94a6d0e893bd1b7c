mock_provider "google" {
  source = "./tests/mocks"
}

mock_provider "google" {
  alias = "billing"
}

mock_provider "time" {}

variables {
  beam_image    = "europe-west1-docker.pkg.dev/images/beam/batch@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
  control_image = "example/control@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
}

# The n-th run of a variable breaks its n-th validation, and no other.

run "batches_refuses_a_key_in_capitals" {
  command = plan
  variables {
    batches = { Monthly = { model = "churn", input = "gs://in/day/", output = "gs://out/scored/" } }
  }
  expect_failures = [var.batches]
}

run "batches_refuses_a_place_that_is_no_bucket" {
  command = plan
  variables {
    batches = { monthly = { model = "churn", input = "gs://in/day/", output = "/tmp/out/" } }
  }
  expect_failures = [var.batches]
}

run "batches_refuses_outputs_that_would_arrive" {
  command = plan
  variables {
    batches = { monthly = { model = "churn", input = "gs://in/day/", output = "gs://in/day/out/", on_arrival = true } }
  }
  expect_failures = [var.batches]
}

run "batches_refuses_a_schedule_of_four_fields" {
  command = plan
  variables {
    batches = { monthly = { model = "churn", input = "gs://in/day/", output = "gs://out/scored/", schedule = "0 6 1 *" } }
  }
  expect_failures = [var.batches]
}

run "batches_refuses_no_attempt" {
  command = plan
  variables {
    batches = { monthly = { model = "churn", input = "gs://in/day/", output = "gs://out/scored/", attempts = 0 } }
  }
  expect_failures = [var.batches]
}

run "batches_refuses_more_memory_than_its_processors_may_have" {
  command = plan
  variables {
    batches = { monthly = { model = "churn", input = "gs://in/day/", output = "gs://out/scored/", memory = "16Gi" } }
  }
  expect_failures = [var.batches]
}

run "batches_refuses_the_bucket_of_models" {
  command = plan
  variables {
    batches = { monthly = { model = "churn", input = "gs://in/day/", output = "gs://example-dev-modelserve-models/scores/" } }
  }
  expect_failures = [var.batches]
}

run "batches_refuses_to_be_without_an_image" {
  command = plan
  variables {
    batches       = { monthly = { model = "churn", input = "gs://in/day/", output = "gs://out/scored/" } }
    control_image = null
  }
  expect_failures = [var.batches]
}

run "batches_refuses_dataflow_without_its_image" {
  command = plan
  variables {
    batches    = { monthly = { model = "churn", input = "gs://in/day/", output = "gs://out/scored/", dataflow = { subnetwork = "regions/europe-west1/subnetworks/workers" } } }
    beam_image = null
  }
  expect_failures = [var.batches]
}

run "batches_refuses_a_table_on_dataflow" {
  command = plan
  variables {
    batches = { monthly = { model = "churn", input = "bq://example-dev.sales.customers", output = "gs://out/scored/", dataflow = { subnetwork = "regions/europe-west1/subnetworks/workers" } } }
  }
  expect_failures = [var.batches]
}

run "batches_refuses_a_subnetwork_of_another_region" {
  command = plan
  variables {
    batches = { monthly = { model = "churn", input = "gs://in/day/", output = "gs://out/scored/", dataflow = { subnetwork = "regions/us-east1/subnetworks/workers" } } }
  }
  expect_failures = [var.batches]
}

run "beam_image_refuses_another_registry" {
  command = plan
  variables {
    beam_image = "docker.io/example/beam@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
  }
  expect_failures = [var.beam_image]
}

run "control_image_refuses_a_tag" {
  command = plan
  variables {
    control_image = "example/control:latest"
  }
  expect_failures = [var.control_image]
}
