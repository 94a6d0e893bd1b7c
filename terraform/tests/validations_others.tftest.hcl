mock_provider "google" {
  source = "./tests/mocks"
}

mock_provider "google" {
  alias = "billing"
}

mock_provider "time" {}

# The n-th run of a variable breaks its n-th validation, and no other.

run "alerts_refuses_a_share_above_one" {
  command = plan
  variables {
    alerts = { error_ratio = 5 }
  }
  expect_failures = [var.alerts]
}

run "alerts_refuses_no_time" {
  command = plan
  variables {
    alerts = { latency_milliseconds = 0 }
  }
  expect_failures = [var.alerts]
}

run "alerts_refuses_a_day_without_predictions" {
  command = plan
  variables {
    alerts = { quiet_hours = 24 }
  }
  expect_failures = [var.alerts]
}

run "budget_refuses_an_account_by_name" {
  command = plan
  variables {
    budget = { amount = 5, billing_account = "mine" }
  }
  expect_failures = [var.budget]
}

run "budget_refuses_a_part_of_a_unit" {
  command = plan
  variables {
    budget = { amount = 0.5, billing_account = "012345-6789AB-CDEF01" }
  }
  expect_failures = [var.budget]
}

run "environment_refuses_an_unknown_one" {
  command = plan
  variables {
    environment = "production"
  }
  expect_failures = [var.environment]
}

run "images_kept_refuses_nothing_to_go_back_to" {
  command = plan
  variables {
    images_kept = 1
  }
  expect_failures = [var.images_kept]
}

run "invokers_refuses_everybody" {
  command = plan
  variables {
    invokers = ["allUsers"]
  }
  expect_failures = [var.invokers]
}

run "kms_key_refuses_a_name" {
  command = plan
  variables {
    kms_key = "modelserve"
  }
  expect_failures = [var.kms_key]
}

run "kms_key_refuses_another_place" {
  command = plan
  variables {
    kms_key = "projects/p/locations/europe/keyRings/r/cryptoKeys/k"
  }
  expect_failures = [var.kms_key]
}

run "kms_key_refuses_tables_elsewhere" {
  command = plan
  variables {
    kms_key = "projects/p/locations/europe-west1/keyRings/r/cryptoKeys/k"
    tables  = { location = "EU" }
  }
  expect_failures = [var.kms_key]
}

run "labels_refuses_capitals" {
  command = plan
  variables {
    labels = { Team = "Pricing" }
  }
  expect_failures = [var.labels]
}

run "name_refuses_one_that_is_too_long" {
  command = plan
  variables {
    name = "a-name-of-19-letter"
  }
  expect_failures = [var.name]
}

run "notification_emails_refuses_a_name" {
  command = plan
  variables {
    notification_emails = ["team"]
  }
  expect_failures = [var.notification_emails]
}

run "parts_refuses_what_is_none" {
  command = plan
  variables {
    parts = ["topics"]
  }
  expect_failures = [var.parts]
}

run "parts_refuses_tables_of_nothing" {
  command = plan
  variables {
    parts = ["tables"]
  }
  expect_failures = [var.parts]
}

run "parts_refuses_triggers_without_accounts" {
  command = plan
  variables {
    parts      = ["events"]
    repository = "projects/p/locations/r/connections/c/repositories/n"
  }
  expect_failures = [var.parts]
}

run "parts_refuses_workers_without_events" {
  command = plan
  variables {
    delivery              = { mode = "pull" }
    enable_gke_fallback   = true
    fallback              = { domain = "predict.example.com", origin_domain = "gke.example.com" }
    fallback_origin_token = "0123456789abcdef0123456789abcdef"
    parts                 = ["pipeline"]
  }
  expect_failures = [var.parts]
}

run "project_id_refuses_a_number" {
  command = plan
  variables {
    project_id = "123456789012"
  }
  expect_failures = [var.project_id]
}

run "region_refuses_a_zone" {
  command = plan
  variables {
    region = "europe-west1-b"
  }
  expect_failures = [var.region]
}

run "repository_refuses_an_address" {
  command = plan
  variables {
    repository = "https://github.com/example/modelserve"
  }
  expect_failures = [var.repository]
}

run "schedules_refuses_a_word" {
  command = plan
  variables {
    schedules = { retrain = "weekly" }
  }
  expect_failures = [var.schedules]
}
