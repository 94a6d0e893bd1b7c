mock_provider "google" {
  source = "./tests/mocks"
}

mock_provider "google" {
  alias = "billing"
}

mock_provider "time" {}

# The n-th run of a variable breaks its n-th validation, and no other.

run "delivery_refuses_a_deadline_that_pubsub_does_not_take" {
  command = plan
  variables {
    delivery = { ack_deadline_seconds = 601 }
  }
  expect_failures = [var.delivery]
}

run "delivery_refuses_a_deadline_below_the_timeout" {
  command = plan
  variables {
    delivery = { ack_deadline_seconds = 30 }
  }
  expect_failures = [var.delivery]
}

run "delivery_refuses_a_deadline_below_the_timeout_of_a_later_model" {
  command = plan
  variables {
    delivery = { ack_deadline_seconds = 90 }
    models   = { flights = { predict_event = { timeout_seconds = 120 } } }
  }
  expect_failures = [var.delivery]
}

run "delivery_refuses_too_few_attempts" {
  command = plan
  variables {
    delivery = { max_attempts = 4 }
  }
  expect_failures = [var.delivery]
}

run "delivery_refuses_a_backoff_that_shrinks" {
  command = plan
  variables {
    delivery = { minimum_backoff_seconds = 60, maximum_backoff_seconds = 30 }
  }
  expect_failures = [var.delivery]
}

run "delivery_refuses_an_unknown_mode" {
  command = plan
  variables {
    enable_gke_fallback   = true
    fallback              = { domain = "predict.example.com", origin_domain = "gke.example.com" }
    fallback_origin_token = "0123456789abcdef0123456789abcdef"
    delivery              = { mode = "poll" }
  }
  expect_failures = [var.delivery]
}

run "delivery_refuses_a_pull_that_nobody_does" {
  command = plan
  variables {
    delivery = { mode = "pull" }
  }
  expect_failures = [var.delivery]
}

run "input_schema_refuses_a_path" {
  command = plan
  variables {
    input_schema = "schema.json"
  }
  expect_failures = [var.input_schema]
}

run "producers_refuses_everybody" {
  command = plan
  variables {
    producers = ["allUsers"]
  }
  expect_failures = [var.producers]
}

run "retention_days_refuses_more_than_pubsub_keeps" {
  command = plan
  variables {
    retention_days = { input = 32 }
  }
  expect_failures = [var.retention_days]
}

run "store_refuses_nothing_kept" {
  command = plan
  variables {
    store = { results_days = 0 }
  }
  expect_failures = [var.store]
}

run "store_refuses_a_soft_delete_of_a_day" {
  command = plan
  variables {
    store = { soft_delete_days = 1 }
  }
  expect_failures = [var.store]
}

run "tables_refuses_rows_that_are_gone_at_once" {
  command = plan
  variables {
    tables = { expiration_days = 0 }
  }
  expect_failures = [var.tables]
}
