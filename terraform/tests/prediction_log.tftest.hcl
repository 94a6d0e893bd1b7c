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
  prediction_log        = {}
}

# Made once; what follows is planned against it, so every value is known.
run "a_log_is_one_apply" {
  assert {
    condition     = output.prediction_log.tables == { model = "example-dev.modelserve.prediction_log" }
    error_message = "The output does not say where the rows are."
  }
}

run "both_functions_publish_what_the_table_is_fed_from" {
  command = plan

  assert {
    condition     = toset([for one in google_cloudfunctions2_function.this : one.service_config[0].environment_variables.LOG_TOPIC]) == toset([google_pubsub_subscription.prediction_log["prediction_log"].topic])
    error_message = "Rows would be published where nothing takes them."
  }
}

run "the_fallback_is_told_what_the_functions_log" {
  command = plan

  assert {
    condition = toset(split("\n", output.prediction_log.settings)) == toset([
      for name, value in google_cloudfunctions2_function.this["predict"].service_config[0].environment_variables : "${name}=${value}" if contains(["LOG_PERCENT", "LOG_TOPIC"], name)
    ])
    error_message = "The pods would log something else than the functions."
  }
}

run "what_is_left_out_reaches_both_functions" {
  command = plan
  variables {
    prediction_log = { percent = 0.5, without = ["name", "address"] }
  }

  assert {
    condition     = toset([for one in google_cloudfunctions2_function.this : "${one.service_config[0].environment_variables.LOG_PERCENT} ${one.service_config[0].environment_variables.LOG_WITHOUT}"]) == toset(["0.5 name,address"])
    error_message = "What may not leave the service would be in the table, or more than was asked for."
  }
}

run "rows_and_messages_are_kept_as_long_as_was_asked" {
  command = plan
  variables {
    prediction_log = { expiration_days = 2 }
    retention_days = { prediction_log = 3 }
  }

  assert {
    condition     = google_bigquery_table.prediction_log["prediction_log"].time_partitioning[0].expiration_ms == 172800000
    error_message = "Inputs would be kept longer than somebody said that they are."
  }

  assert {
    condition     = google_pubsub_subscription.prediction_log["prediction_log"].message_retention_duration == "259200s"
    error_message = "Rows would be gone before a table that is mended can take them."
  }
}

run "each_model_has_a_log_of_its_own" {
  command = plan
  variables {
    models = { flights = {} }
  }

  assert {
    condition     = { for key, one in google_bigquery_table.prediction_log : key => one.table_id } == { prediction_log = "prediction_log", flights-prediction_log = "flights_prediction_log" }
    error_message = "Rows of two models, with other columns each, would be in one table."
  }

  assert {
    condition     = { for key, one in google_pubsub_topic_iam_member.logs_publish : key => one.topic } == { predict = "modelserve-prediction-log", predict_event = "modelserve-prediction-log", flights-predict = "modelserve-flights-prediction-log", flights-predict_event = "modelserve-flights-prediction-log" }
    error_message = "A function may not publish its rows, or may publish those of another model."
  }
}

run "without_a_log_there_is_nothing_of_it" {
  variables {
    enable_gke_fallback = true
    prediction_log      = null
  }

  assert {
    condition     = length(google_bigquery_table.prediction_log) + length(google_pubsub_subscription.prediction_log) + length(google_pubsub_topic_iam_member.pods_log) == 0 && !contains(keys(google_pubsub_topic.this), "prediction_log")
    error_message = "A table that nobody fills is still there, or a grant."
  }

  assert {
    condition     = !anytrue(flatten([for one in google_cloudfunctions2_function.this : [for name in keys(one.service_config[0].environment_variables) : startswith(name, "LOG_") && name != "LOG_LEVEL"]]))
    error_message = "The functions would still log, and pay for it."
  }
}
