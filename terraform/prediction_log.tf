# A row for each prediction, written by Pub/Sub into a table of each model: docs/monitoring.md.
locals {
  # By the topic, which is also the name of the table.
  _logs = var.prediction_log == null ? {} : { for prefix in keys(local.models) : "${prefix}prediction_log" => prefix }

  log_settings = { for topic, prefix in local._logs : prefix => merge({
    LOG_PERCENT = tostring(var.prediction_log.percent)
    LOG_TOPIC   = google_pubsub_topic.this[topic].id
    }, length(var.prediction_log.without) == 0 ? {} : {
    LOG_WITHOUT = join(",", var.prediction_log.without)
  }) }
}

# The functions of each model publish to its topic.
resource "google_pubsub_topic_iam_member" "logs_publish" {
  for_each = { for key, one in local.functions : key => one if var.prediction_log != null }
  topic    = google_pubsub_topic.this["${each.value.prefix}prediction_log"].name
  role     = "roles/pubsub.publisher"
  member   = local.members[each.value.identity]
}

resource "google_pubsub_topic_iam_member" "pods_log" {
  for_each   = var.prediction_log == null ? {} : local.pods
  topic      = google_pubsub_topic.this["prediction_log"].name
  role       = "roles/pubsub.publisher"
  member     = each.value
  depends_on = [module.fallback]
}

resource "google_bigquery_table" "prediction_log" {
  for_each            = local._logs
  dataset_id          = google_bigquery_dataset.this[0].dataset_id
  table_id            = replace(each.key, "-", "_")
  description         = "Inputs and answer of each prediction of ${local.models[each.value].name}"
  deletion_protection = var.deletion_protection
  clustering          = ["version", "caller_id"]

  dynamic "encryption_configuration" {
    for_each = var.kms_key == null ? [] : [1]
    content {
      kms_key_name = var.kms_key
    }
  }

  time_partitioning {
    type          = "DAY"
    field         = "time"
    expiration_ms = var.prediction_log.expiration_days == null ? null : var.prediction_log.expiration_days * 86400000
  }

  # What functions/modelserve/prediction_log/rows.py writes.
  schema = jsonencode([
    { name = "prediction_id", type = "STRING", mode = "NULLABLE", description = "Unique; the same in a row that was delivered twice" },
    { name = "caller_id", type = "STRING", mode = "NULLABLE", description = "The caller's own id" },
    { name = "request_id", type = "STRING", mode = "NULLABLE", description = "Id of the request or of the message" },
    { name = "model", type = "STRING", mode = "NULLABLE", description = "The model that answered" },
    { name = "version", type = "STRING", mode = "NULLABLE", description = "Its version" },
    { name = "predict_method", type = "STRING", mode = "NULLABLE", description = "The method that was asked for" },
    { name = "time", type = "TIMESTAMP", mode = "NULLABLE", description = "When it answered" },
    { name = "milliseconds", type = "FLOAT", mode = "NULLABLE", description = "How long the request took; null for events" },
    { name = "inputs", type = "STRING", mode = "NULLABLE", description = "A JSON object of the inputs" },
    { name = "answer", type = "STRING", mode = "NULLABLE", description = "A JSON object of the answer" },
    # BigQuery adds a column to a table that exists only here, as the last.
    { name = "unknown_categories", type = "INTEGER", mode = "NULLABLE", description = "Cells of the inputs with a category that the model has never seen; null where the version knows no categories" },
  ])
}

resource "google_bigquery_table_iam_member" "pubsub_logs" {
  for_each   = google_bigquery_table.prediction_log
  dataset_id = each.value.dataset_id
  table_id   = each.value.table_id
  role       = "roles/bigquery.dataEditor"
  member     = local.agents.pubsub
}

resource "google_bigquery_table_iam_member" "retrain_reads_log" {
  for_each   = { for key, one in google_bigquery_table.prediction_log : key => one if local.pipeline }
  dataset_id = each.value.dataset_id
  table_id   = each.value.table_id
  role       = "roles/bigquery.dataViewer"
  member     = local.members.retrain
}

# For bq://: a session of the Storage Read API belongs to the project.
resource "google_project_iam_member" "retrain_reads_rows" {
  count   = var.prediction_log != null && local.pipeline ? 1 : 0
  project = var.project_id
  role    = "roles/bigquery.readSessionUser"
  member  = local.members.retrain
}

resource "google_pubsub_subscription" "prediction_log" {
  for_each                   = local._logs
  name                       = "${var.name}-${replace(each.key, "_", "-")}-table"
  topic                      = google_pubsub_topic.this[each.key].id
  ack_deadline_seconds       = 60
  message_retention_duration = "${var.retention_days.prediction_log * 86400}s"

  expiration_policy {
    ttl = ""
  }

  bigquery_config {
    table            = join(".", [var.project_id, google_bigquery_table.prediction_log[each.key].dataset_id, google_bigquery_table.prediction_log[each.key].table_id])
    use_table_schema = true
  }

  retry_policy {
    minimum_backoff = "${var.delivery.minimum_backoff_seconds}s"
    maximum_backoff = "${var.delivery.maximum_backoff_seconds}s"
  }

  # A row that the table refuses.
  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.this["${each.value}dead_letter"].id
    max_delivery_attempts = var.delivery.max_attempts
  }

  depends_on = [google_bigquery_table_iam_member.pubsub_logs]
}

resource "google_pubsub_subscription_iam_member" "log_dead_letters" {
  for_each     = google_pubsub_subscription.prediction_log
  subscription = each.value.name
  role         = "roles/pubsub.subscriber"
  member       = local.agents.pubsub

  lifecycle {
    replace_triggered_by = [google_pubsub_subscription.prediction_log[each.key].id]
  }
}
