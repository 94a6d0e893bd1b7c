mock_provider "google" {
  source = "./tests/mocks"
}

mock_provider "google" {
  alias = "billing"
}

mock_provider "time" {}

# The n-th run of a variable breaks its n-th validation, and no other.

run "log_level_refuses_an_unknown_one" {
  command = plan
  variables {
    log_level = "TRACE"
  }
  expect_failures = [var.log_level]
}

run "model_refuses_a_name_with_a_slash" {
  command = plan
  variables {
    model = { name = "models/churn" }
  }
  expect_failures = [var.model]
}

run "model_refuses_an_unknown_trust" {
  command = plan
  variables {
    model = { name = "churn", trust = "all" }
  }
  expect_failures = [var.model]
}

run "predict_refuses_many_requests_on_half_a_processor" {
  command = plan
  variables {
    predict = { cpu = "0.5" }
  }
  expect_failures = [var.predict]
}

run "predict_refuses_an_unknown_ingress" {
  command = plan
  variables {
    predict = { ingress = "ALL" }
  }
  expect_failures = [var.predict]
}

run "predict_refuses_fewer_instances_than_it_keeps" {
  command = plan
  variables {
    predict = { min_instances = 3, max_instances = 2 }
  }
  expect_failures = [var.predict]
}

run "predict_refuses_memory_without_a_unit" {
  command = plan
  variables {
    predict = { memory = "1024" }
  }
  expect_failures = [var.predict]
}

run "predict_refuses_no_end" {
  command = plan
  variables {
    predict = { timeout_seconds = 3601 }
  }
  expect_failures = [var.predict]
}

run "predict_refuses_a_setting_that_is_shared" {
  command = plan
  variables {
    predict = { environment = { MODEL_URI = "gs://other/model" } }
  }
  expect_failures = [var.predict]
}

run "predict_refuses_two_ways_into_a_network" {
  command = plan
  variables {
    predict = { connector = "c", vpc = { network = "n", subnetwork = "s" } }
  }
  expect_failures = [var.predict]
}

run "predict_refuses_a_file_without_a_directory" {
  command = plan
  variables {
    predict = { secret_files = { "key.pem" = { secret = "key" } } }
  }
  expect_failures = [var.predict]
}

run "predict_refuses_a_shadow_of_its_own" {
  command = plan
  variables {
    predict = { environment = { SHADOW_PERCENT = "50" } }
  }
  expect_failures = [var.predict]
}

run "predict_event_refuses_many_requests_on_half_a_processor" {
  command = plan
  variables {
    predict_event = { cpu = "0.5" }
  }
  expect_failures = [var.predict_event]
}

run "predict_event_refuses_an_unknown_ingress" {
  command = plan
  variables {
    predict_event = { ingress = "ALL" }
  }
  expect_failures = [var.predict_event]
}

run "predict_event_refuses_fewer_instances_than_it_keeps" {
  command = plan
  variables {
    predict_event = { min_instances = 3, max_instances = 2 }
  }
  expect_failures = [var.predict_event]
}

run "predict_event_refuses_memory_without_a_unit" {
  command = plan
  variables {
    predict_event = { memory = "1024" }
  }
  expect_failures = [var.predict_event]
}

run "predict_event_refuses_no_end" {
  command = plan
  variables {
    predict_event = { timeout_seconds = 601 }
  }
  expect_failures = [var.predict_event]
}

run "predict_event_refuses_a_setting_that_is_shared" {
  command = plan
  variables {
    predict_event = { environment = { MODEL_URI = "gs://other/model" } }
  }
  expect_failures = [var.predict_event]
}

run "predict_event_refuses_two_ways_into_a_network" {
  command = plan
  variables {
    predict_event = { connector = "c", vpc = { network = "n", subnetwork = "s" } }
  }
  expect_failures = [var.predict_event]
}

run "predict_event_refuses_a_file_without_a_directory" {
  command = plan
  variables {
    predict_event = { secret_files = { "key.pem" = { secret = "key" } } }
  }
  expect_failures = [var.predict_event]
}

run "predict_event_refuses_a_shadow_of_its_own" {
  command = plan
  variables {
    predict_event = { environment = { SHADOW_PERCENT = "50" } }
  }
  expect_failures = [var.predict_event]
}

run "source_archive_refuses_one_without_a_hash" {
  command = plan
  variables {
    source_archive = "functions.zip"
  }
  expect_failures = [var.source_archive]
}
