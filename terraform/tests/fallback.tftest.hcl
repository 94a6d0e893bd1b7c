mock_provider "google" {
  source = "./tests/mocks"
}

mock_provider "google" {
  alias = "billing"
}

mock_provider "time" {}

variables {
  fallback              = { domain = "predict.example.com", origin_domain = "gke.example.com" }
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

run "an_alarm_says_that_the_fallback_answers" {
  command = plan
  variables {
    enable_gke_fallback = true
  }

  assert {
    condition     = contains(keys(google_monitoring_alert_policy.threshold), "fallback")
    error_message = "Nobody would notice that the fallback answers."
  }
}

run "the_cluster_pulls_what_it_runs" {
  command = plan
  variables {
    enable_gke_fallback = true
  }

  assert {
    condition     = output.fallback.manifests == "europe-west1-docker.pkg.dev/example-dev/modelserve-manifests/manifests:dev"
    error_message = "The pipeline would push to another place."
  }
}

run "the_load_balancer_is_checked_from_outside" {
  command = plan
  variables {
    enable_gke_fallback = true
    predict             = { ingress = "ALLOW_INTERNAL_AND_GCLB" }
  }

  assert {
    condition     = [for check in google_monitoring_uptime_check_config.this : check.monitored_resource[0].labels.host] == ["predict.example.com"]
    error_message = "Nobody asks where callers come in, or somebody where nobody can."
  }
}

run "a_refusal_is_an_answer_only_where_callers_are_known" {
  command = plan
  variables {
    enable_gke_fallback   = true
    allow_unauthenticated = true
  }

  assert {
    condition     = [for one in google_monitoring_uptime_check_config.this["load_balancer"].http_check[0].accepted_response_status_codes : one.status_class] == ["STATUS_CLASS_2XX"]
    error_message = "A refusal would pass for an answer."
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
