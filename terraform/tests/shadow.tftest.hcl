mock_provider "google" {
  source = "./tests/mocks"
}

mock_provider "google" {
  alias = "billing"
}

mock_provider "time" {}

override_resource {
  target = google_service_account.this["deploy"]
  values = {
    member = "serviceAccount:deploy@example-dev.iam.gserviceaccount.com"
    name   = "projects/example-dev/serviceAccounts/deploy@example-dev.iam.gserviceaccount.com"
  }
}

override_resource {
  target = google_service_account.this["retrain"]
  values = {
    member = "serviceAccount:retrain@example-dev.iam.gserviceaccount.com"
    name   = "projects/example-dev/serviceAccounts/retrain@example-dev.iam.gserviceaccount.com"
  }
}

variables {
  fallback              = { domain = "predict.example.com", origin_domain = "gke.example.com" }
  fallback_origin_token = "0123456789abcdef0123456789abcdef"
  shadow                = {}
}

# Made once; what follows is planned against it, so every value is known.
run "a_shadow_is_one_apply" {
  assert {
    condition     = output.shadow.subscription == google_pubsub_subscription.shadow[0].id && output.shadow.topic == google_pubsub_topic.this["shadow"].id
    error_message = "The output does not say what a release reads."
  }
}

run "a_release_may_read_what_it_waits_for" {
  command = plan

  assert {
    condition     = toset([for one in google_pubsub_subscription_iam_member.releases_read_shadow : one.member]) == toset([google_service_account.this["deploy"].member, google_service_account.this["retrain"].member])
    error_message = "A release with --shadow would end as SUBSCRIPTION_UNUSABLE."
  }
}

run "both_functions_have_the_challenger_beside_the_model" {
  command = plan

  assert {
    condition     = toset([for one in google_cloudfunctions2_function.this : one.service_config[0].environment_variables.SHADOW_MODEL_URI]) == toset(["gs://example-dev-modelserve-models/models/churn@challenger"])
    error_message = "The functions do not both follow the challenger."
  }
}

run "the_challenger_may_be_another_model" {
  command = plan
  variables {
    shadow = { name = "churn_trees", alias = "champion" }
  }

  assert {
    condition     = endswith(local.shadow_settings.SHADOW_MODEL_URI, "/models/churn_trees@champion")
    error_message = "The functions would follow the model itself."
  }
}

run "how_much_is_compared_reaches_both_functions" {
  command = plan
  variables {
    shadow = { percent = 0.5, tolerance = 0.01 }
  }

  assert {
    condition     = toset([for one in google_cloudfunctions2_function.this : "${one.service_config[0].environment_variables.SHADOW_PERCENT} ${one.service_config[0].environment_variables.SHADOW_TOLERANCE}"]) == toset(["0.5 0.01"])
    error_message = "The settings are not those that were asked for."
  }
}

run "both_functions_tell_the_topic_that_a_release_reads" {
  command = plan

  assert {
    condition     = toset([for one in google_cloudfunctions2_function.this : one.service_config[0].environment_variables.SHADOW_TOPIC]) == toset([google_pubsub_subscription.shadow[0].topic])
    error_message = "What differs would be told where nobody listens."
  }
}

run "two_models_get_twice_the_memory" {
  command = plan
  variables {
    predict = { memory = "512Mi" }
  }

  assert {
    condition     = { for key, one in google_cloudfunctions2_function.this : key => one.service_config[0].available_memory } == { predict = "1024Mi", predict_event = "2Gi" }
    error_message = "The instance would end for want of memory."
  }
}

run "a_report_waits_as_long_as_was_asked" {
  command = plan
  variables {
    retention_days = { shadow = 3 }
  }

  assert {
    condition     = google_pubsub_subscription.shadow[0].message_retention_duration == "259200s"
    error_message = "A report would be gone before it is read, or would never go."
  }
}

run "a_challenger_that_fails_raises_no_alarm" {
  command = plan

  assert {
    condition     = strcontains(google_monitoring_alert_policy.activation[0].conditions[0].condition_matched_log[0].filter, "NOT jsonPayload.process=\"shadow\"")
    error_message = "Somebody would be told to roll back a model that serves well."
  }
}

run "the_fallback_is_told_what_the_functions_have" {
  command = plan

  assert {
    condition = toset(split("\n", output.shadow.settings)) == toset([
      for name, value in google_cloudfunctions2_function.this["predict"].service_config[0].environment_variables : "${name}=${value}" if startswith(name, "SHADOW_")
    ])
    error_message = "The pods would compare something else than the functions."
  }
}

run "without_a_shadow_there_is_nothing_of_it" {
  variables {
    enable_gke_fallback = true
    shadow              = null
  }

  assert {
    condition     = length(google_pubsub_subscription.shadow) == 0 && !contains(keys(google_pubsub_topic.this), "shadow") && length(google_pubsub_topic_iam_member.pods_shadows_publish) == 0
    error_message = "A topic that nobody publishes to is still there, or a grant on it."
  }

  assert {
    condition     = alltrue([for one in google_cloudfunctions2_function.this : one.service_config[0].available_memory == "1Gi" && !anytrue([for name in keys(one.service_config[0].environment_variables) : startswith(name, "SHADOW_")])])
    error_message = "A second model would still be loaded, or paid for."
  }
}
