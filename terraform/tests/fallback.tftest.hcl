mock_provider "google" {
  mock_data "google_project" {
    defaults = { number = "123456789012" }
  }
}

variables {
  environment           = "dev"
  model                 = { name = "churn" }
  project_id            = "example-dev"
  region                = "europe-west1"
  source_archive        = "modelserve-0123456789abcdef.zip"
  fallback              = { domain = "predict.example.com", origin_domain = "gke.example.com", callers_verified = true }
  fallback_origin_token = "0123456789abcdef0123456789abcdef"
}

run "without_the_fallback_there_is_nothing_of_it" {
  assert {
    condition     = length(module.fallback) == 0
    error_message = "An idle cluster costs money."
  }
}

run "enabling_it_is_one_plan" {
  command = plan
  variables {
    enable_gke_fallback = true
  }

  assert {
    condition     = length(google_storage_bucket_iam_member.pods_read) == 2
    error_message = "The pods may not read the models."
  }
}

run "enabling_it_is_one_apply" {
  variables {
    enable_gke_fallback = true
  }

  assert {
    condition     = keys(output.fallback.records) == ["gke.example.com", "predict.example.com"]
    error_message = "The output does not say which DNS records to make."
  }
}

run "a_weight_is_all_it_takes_to_move_requests" {
  variables {
    enable_gke_fallback = true
    fallback_weight     = 100
  }

  assert {
    condition     = contains(keys(google_monitoring_alert_policy.threshold), "fallback")
    error_message = "Nobody would notice that the fallback answers."
  }
}

run "disabling_it_is_one_plan" {
  command = plan

  assert {
    condition     = length(google_pubsub_topic_iam_member.worker_publishes) == 0
    error_message = "The worker may still publish."
  }
}

run "disabling_it_is_one_apply" {
  assert {
    condition     = length(google_storage_bucket_iam_member.pods_read) == 0
    error_message = "The pods may still read the models."
  }
}
