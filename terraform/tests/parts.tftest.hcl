mock_provider "google" {
  source = "./tests/mocks"
}

mock_provider "google" {
  alias = "billing"
}

mock_provider "time" {}

variables {
  notification_emails = ["team@example.com"]
  parts               = []
  producers           = ["serviceAccount:shop@example-dev.iam.gserviceaccount.com"]
  schedules           = { drift = "0 6 * * *" }
  shadow              = {}
}

run "the_least_is_a_function_that_serves" {
  command = plan

  assert {
    condition     = keys(google_cloudfunctions2_function.this) == ["predict"] && keys(google_storage_bucket.this) == ["models", "source"]
    error_message = "There is more than predict, its models and its source."
  }
}

run "the_least_has_two_accounts" {
  command = plan

  assert {
    condition     = keys(google_service_account.this) == ["build", "http"]
    error_message = "There are other accounts than those that build and run predict."
  }
}

run "the_least_has_no_topic_but_that_of_the_shadow" {
  command = plan

  assert {
    condition     = keys(google_pubsub_topic.this) == ["shadow"] && length(google_pubsub_topic.jobs) == 0 && length(google_pubsub_subscription.events) == 0
    error_message = "There are topics of events or of jobs."
  }
}

run "the_least_is_not_watched" {
  command = plan

  assert {
    condition     = length(google_monitoring_alert_policy.threshold) + length(google_monitoring_alert_policy.activation) + length(google_monitoring_dashboard.this) + length(google_logging_metric.this) + length(google_monitoring_uptime_check_config.this) + length(google_monitoring_notification_channel.email) == 0
    error_message = "There are alarms, charts or checks."
  }
}

run "the_least_has_no_part_of_a_pipeline" {
  command = plan

  assert {
    condition     = keys(google_artifact_registry_repository.this) == ["functions"] && length(google_cloud_scheduler_job.this) == 0 && length(google_project_iam_custom_role.operations) == 0
    error_message = "There are images, schedules or roles of a pipeline."
  }
}

run "events_come_without_tables" {
  command = plan
  variables { parts = ["events"] }

  assert {
    condition     = length(google_cloudfunctions2_function.this) == 2 && length(google_pubsub_subscription.events) == 1 && length(google_bigquery_table.this) == 0 && output.tables == {}
    error_message = "Events need tables, or nothing delivers them."
  }
}

run "tables_are_told" {
  command = plan
  variables { parts = ["events", "tables"] }

  assert {
    condition     = output.tables == { dead_letter = "example-dev.modelserve.dead_letters", predictions = "example-dev.modelserve.predictions" }
    error_message = "The output does not name the tables."
  }
}

run "predict_alone_can_be_watched" {
  command = plan
  variables { parts = ["watching"] }

  assert {
    condition     = keys(google_monitoring_alert_policy.threshold) == ["cold_starts", "errors", "latency"] && !strcontains(google_monitoring_dashboard.this["predict"].dashboard_json, "Age of the oldest event")
    error_message = "The alarms are not those of predict alone."
  }
}

run "a_pipeline_deploys_predict_alone" {
  command = plan
  variables { parts = ["pipeline"] }

  assert {
    condition     = keys(google_service_account_iam_member.deploy_acts_as) == ["build", "http"] && length(google_project_iam_member.deploy_waits) == 1
    error_message = "deploy may not do what a build of predict needs, or may do more."
  }
}
