mock_provider "google" {
  source = "./tests/mocks"
}

mock_provider "google" {
  alias = "billing"
}

mock_provider "time" {}

override_resource {
  target = google_service_account.this["http"]
  values = {
    member = "serviceAccount:modelserve-http@example-dev.iam.gserviceaccount.com"
    name   = "projects/example-dev/serviceAccounts/modelserve-http@example-dev.iam.gserviceaccount.com"
  }
}

# Made once; what follows is planned against it, so every value is known.
run "everything_is_made_at_once" {
  assert {
    condition     = length(google_cloudfunctions2_function.this) == 2
    error_message = "There are not two functions."
  }
}

run "both_functions_serve_the_same_model" {
  command = plan

  assert {
    condition     = toset([for one in google_cloudfunctions2_function.this : one.service_config[0].environment_variables.MODEL_URI]) == toset(["gs://example-dev-modelserve-models/models/churn@champion"])
    error_message = "The functions do not both serve the alias."
  }
}

run "a_setting_of_one_function_reaches_only_that_one" {
  command = plan
  variables {
    predict_event = { environment = { EVENT_ID_FIELD = "ride_id" } }
  }

  assert {
    condition     = [for key, one in google_cloudfunctions2_function.this : key if contains(keys(one.service_config[0].environment_variables), "EVENT_ID_FIELD")] == ["predict_event"]
    error_message = "The setting is not where it was put."
  }
}

run "the_python_is_that_of_the_project" {
  command = plan

  assert {
    condition     = alltrue([for one in google_cloudfunctions2_function.this : one.build_config[0].runtime == "python311"])
    error_message = "The runtime is not the Python of the file .python-version."
  }
}

run "new_code_is_a_new_object" {
  command = plan
  variables {
    source_archive = "out/modelserve-fedcba9876543210.zip"
  }

  assert {
    condition     = google_storage_bucket_object.source.name == "modelserve-fedcba9876543210.zip"
    error_message = "The object does not carry the hash of its content."
  }
}

run "nobody_may_call_by_default" {
  command = plan

  assert {
    condition     = length(google_cloud_run_v2_service_iam_member.callers) == 0
    error_message = "Somebody may call who was not named."
  }
}

run "anybody_may_call_when_asked" {
  command = plan
  variables {
    allow_unauthenticated = true
  }

  assert {
    condition     = keys(google_cloud_run_v2_service_iam_member.callers) == ["allUsers"]
    error_message = "It was asked for, and is not there."
  }
}

run "the_ack_deadline_follows_the_timeout" {
  command = plan
  variables {
    predict_event = { timeout_seconds = 300 }
  }

  assert {
    condition     = google_pubsub_subscription.events["predict_event"].ack_deadline_seconds == 300
    error_message = "A message would be delivered again while it is being scored."
  }
}

run "a_push_names_its_topic" {
  command = plan

  assert {
    condition     = endswith(google_pubsub_subscription.events["predict_event"].push_config[0].push_endpoint, google_pubsub_topic.this["input"].id)
    error_message = "The event's source would be lost."
  }
}

run "a_push_is_signed_for_the_function" {
  command = plan

  assert {
    condition     = google_pubsub_subscription.events["predict_event"].push_config[0].oidc_token[0].audience == google_cloudfunctions2_function.this["predict_event"].service_config[0].uri
    error_message = "Cloud Run would not take the token."
  }
}

run "pulling_takes_the_push_away" {
  command = plan
  variables {
    delivery              = { mode = "pull" }
    enable_gke_fallback   = true
    fallback              = { domain = "predict.example.com", origin_domain = "gke.example.com" }
    fallback_origin_token = "0123456789abcdef0123456789abcdef"
  }

  assert {
    condition     = length(google_pubsub_subscription.events["predict_event"].push_config) == 0
    error_message = "A message would be pushed and pulled."
  }
}

run "a_schema_has_the_hash_of_its_text_in_its_name" {
  command = plan
  variables {
    input_schema = "{\"type\": \"record\", \"name\": \"churn\", \"fields\": []}"
  }

  assert {
    condition     = google_pubsub_schema.input["input"].name == "modelserve-input-${substr(sha256(var.input_schema), 0, 8)}"
    error_message = "A changed schema would replace one that is in use."
  }
}

run "only_the_input_has_a_schema" {
  command = plan
  variables {
    input_schema = "{\"type\": \"record\", \"name\": \"churn\", \"fields\": []}"
  }

  assert {
    condition     = [for key, topic in google_pubsub_topic.this : key if length(topic.schema_settings) > 0] == ["input"]
    error_message = "Predictions and dead letters have forms of their own."
  }
}

run "a_key_encrypts_all_that_is_kept" {
  command = plan
  variables {
    kms_key = "projects/p/locations/europe-west1/keyRings/r/cryptoKeys/k"
  }

  assert {
    condition     = alltrue([for bucket in google_storage_bucket.this : bucket.encryption[0].default_kms_key_name == var.kms_key])
    error_message = "A bucket is not encrypted with the key."
  }

  assert {
    condition     = alltrue([for topic in concat(values(google_pubsub_topic.this), google_pubsub_topic.jobs) : topic.kms_key_name == var.kms_key])
    error_message = "A topic is not encrypted with the key."
  }

  assert {
    condition     = alltrue([for one in concat(google_bigquery_dataset.this[0].default_encryption_configuration, [for table in google_bigquery_table.this : table.encryption_configuration[0]]) : one.kms_key_name == var.kms_key])
    error_message = "The dataset or a table is not encrypted with the key."
  }

  assert {
    condition     = alltrue([for one in concat(values(google_artifact_registry_repository.this), values(google_cloudfunctions2_function.this)) : one.kms_key_name == var.kms_key])
    error_message = "Images or a function are not encrypted with the key."
  }
}

run "a_secret_is_read_by_the_function_that_was_given_it" {
  command = plan
  variables {
    predict = { secrets = { API_KEY = { secret = "api-key" } } }
  }

  assert {
    condition     = [for one in google_secret_manager_secret_iam_member.this : one.member] == [google_service_account.this["http"].member]
    error_message = "Somebody else may read the secret, or the function may not."
  }
}

run "a_secret_may_be_a_file" {
  command = plan
  variables {
    predict = { connector = "serving", secret_files = { "/secrets/tls/key.pem" = { secret = "key" } } }
  }

  assert {
    condition     = [for one in google_cloudfunctions2_function.this["predict"].service_config[0].secret_volumes : "${one.mount_path}/${one.versions[0].path}"] == ["/secrets/tls/key.pem"] && [for one in google_secret_manager_secret_iam_member.this : one.secret_id] == ["key"]
    error_message = "The file is not where it was put, or the function may not read it."
  }
}

run "a_connector_is_used_by_the_function_that_was_given_it" {
  command = plan
  variables {
    predict = { connector = "serving" }
  }

  assert {
    condition     = [for key, one in google_cloudfunctions2_function.this : key if one.service_config[0].vpc_connector == "serving"] == ["predict"]
    error_message = "The connector is not that of predict alone."
  }
}

run "only_results_are_deleted_by_age" {
  command = plan

  assert {
    condition     = [for key, bucket in google_storage_bucket.this : key if anytrue([for rule in bucket.lifecycle_rule : one(rule.action).type == "Delete" && one(rule.condition).age != null])] == ["results"]
    error_message = "A version that still serves, or the source of a function, would be deleted."
  }
}

run "nothing_rings_for_a_script_that_nobody_wrote" {
  command = plan
  variables {
    repository = "projects/p/locations/l/connections/c/repositories/r"
  }

  assert {
    condition     = length(google_cloud_scheduler_job.this) == 0
    error_message = "Every build would fail, and raise an alarm."
  }
}

run "without_a_repository_there_are_no_triggers_and_no_ringing" {
  command = plan
  variables {
    schedules = { drift = "0 6 * * *", retrain = "0 3 * * 1" }
  }

  assert {
    condition     = length(google_cloudbuild_trigger.push) == 0 && length(google_cloudbuild_trigger.job) == 0 && alltrue([for job in google_cloud_scheduler_job.this : job.paused])
    error_message = "A build would be asked for that cannot start."
  }
}

run "a_repository_brings_four_triggers" {
  command = plan
  variables {
    repository = "projects/p/locations/l/connections/c/repositories/r"
  }

  assert {
    condition     = setunion(keys(google_cloudbuild_trigger.push), keys(google_cloudbuild_trigger.job)) == toset(["deploy", "drift", "retrain", "test"])
    error_message = "A trigger is missing."
  }
}

run "a_rollout_alone_moves_the_traffic" {
  command = plan
  variables {
    repository = "projects/p/locations/l/connections/c/repositories/r"
  }

  assert {
    condition     = !anytrue([for one in google_cloudfunctions2_function.this : one.service_config[0].all_traffic_on_latest_revision])
    error_message = "An apply would send every request to a revision that nobody has tried."
  }
}

run "a_failed_job_raises_an_alarm" {
  command = plan
  variables {
    repository = "projects/p/locations/l/connections/c/repositories/r"
  }

  assert {
    condition     = length(google_monitoring_alert_policy.failed_job) == length(google_cloudbuild_trigger.job)
    error_message = "Nobody would notice that the model is not trained any more."
  }
}

run "only_production_waits_for_approval" {
  command = plan
  variables {
    repository = "projects/p/locations/l/connections/c/repositories/r"
  }

  assert {
    condition     = alltrue([for one in concat(values(google_cloudbuild_trigger.push), values(google_cloudbuild_trigger.job)) : !one.approval_config[0].approval_required])
    error_message = "Every try would wait for a person."
  }
}

run "an_uptime_check_only_where_it_can_get_in" {
  command = plan
  variables {
    predict = { ingress = "ALLOW_INTERNAL_ONLY" }
  }

  assert {
    condition     = length(google_monitoring_uptime_check_config.this) == 0
    error_message = "The check could only fail."
  }
}

run "a_budget_only_when_asked" {
  command = plan

  assert {
    condition     = length(google_billing_budget.this) == 0
    error_message = "A budget needs rights on the billing account that few have."
  }
}

run "a_used_dev_can_be_destroyed" {
  command = plan
  variables {
    deletion_protection = false
  }

  assert {
    condition     = alltrue([for bucket in google_storage_bucket.this : bucket.force_destroy]) && google_bigquery_dataset.this[0].delete_contents_on_destroy
    error_message = "A bucket or a dataset that has something in it would stay."
  }
}
