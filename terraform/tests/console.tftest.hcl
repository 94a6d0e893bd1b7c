mock_provider "google" {
  source = "./tests/mocks"
}

mock_provider "google" {
  alias = "billing"
}

mock_provider "time" {}

variables {
  control_image = "example/control@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
  batches       = { monthly = { model = "churn", input = "gs://in/a.parquet", output = "gs://out/scored/{year}/" } }
  console       = { members = ["group:team@example.com"], arguments = ["--log", "gs://logs/**/*.parquet"], memory = "4Gi" }
}

# Made once; what follows is planned against it, so every value is known.
run "a_console_is_one_apply" {
  assert {
    condition     = output.console == "https://modelserve-console-123456789012.europe-west1.run.app"
    error_message = "The output does not say where the console is."
  }
}

run "the_console_answers_to_its_own_address_and_shows_the_batches" {
  command = plan

  assert {
    condition = google_cloud_run_v2_service.console["console"].template[0].containers[0].args == tolist([
      "console", "--host", "0.0.0.0", "--port", "8080", "--origin", "https://modelserve-console-123456789012.europe-west1.run.app", "--store", "gs://example-dev-modelserve-models", "--batches", "gs://out/scored/", "--log", "gs://logs/**/*.parquet"
    ])
    error_message = "Each request would be refused (421), or a tab would be empty."
  }

  assert {
    condition     = keys(google_storage_bucket_iam_member.console_reads) == ["out"]
    error_message = "The console could not read what its batches have left."
  }
}

run "only_those_who_were_named_see_it" {
  command = plan

  assert {
    condition     = [for one in google_iap_web_cloud_run_service_iam_member.people : one.member] == ["group:team@example.com"]
    error_message = "Somebody else could see the models, or nobody."
  }
}

run "a_console_has_the_memory_that_was_asked_for" {
  command = plan

  assert {
    condition     = google_cloud_run_v2_service.console["console"].template[0].containers[0].resources[0].limits.memory == "4Gi"
    error_message = "A comparison would end for want of memory."
  }
}

run "without_a_console_there_is_nothing_of_it" {
  variables {
    console = null
  }

  assert {
    condition     = length(google_cloud_run_v2_service.console) + length(google_storage_bucket_iam_member.console_reads) == 0 && !contains(keys(google_service_account.this), "console")
    error_message = "An account that nothing runs as is still there."
  }
}
