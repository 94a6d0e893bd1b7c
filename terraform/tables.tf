# Predictions and dead letters are kept by BigQuery subscriptions: no code runs.
locals {
  # A dead letter may be any bytes; a prediction is always JSON.
  _kept = !local.tables ? {} : {
    dead_letter = { name = "dead_letters", data = "BYTES" }
    predictions = { name = "predictions", data = "JSON" }
  }

  _tables = merge([for prefix in keys(local.models) : {
    for topic, one in local._kept : "${prefix}${topic}" => merge(one, { prefix = prefix, topic = topic, name = "${replace(prefix, "-", "_")}${one.name}" })
  }]...)

  tables_by_topic = { for key, one in google_bigquery_table.this : key => join(".", [var.project_id, one.dataset_id, one.table_id]) }
}

resource "google_bigquery_dataset" "this" {
  count                      = local.tables ? 1 : 0
  dataset_id                 = replace(var.name, "-", "_")
  description                = "Predictions and dead letters of ${var.name}"
  location                   = coalesce(var.tables.location, var.region)
  delete_contents_on_destroy = !var.deletion_protection

  dynamic "default_encryption_configuration" {
    for_each = var.kms_key == null ? [] : [1]
    content {
      kms_key_name = var.kms_key
    }
  }

  depends_on = [google_kms_crypto_key_iam_member.this]
}

resource "google_bigquery_table" "this" {
  for_each            = local._tables
  dataset_id          = google_bigquery_dataset.this[0].dataset_id
  table_id            = each.value.name
  description         = "What came to the topic ${each.key}, as Pub/Sub wrote it"
  deletion_protection = var.deletion_protection

  dynamic "encryption_configuration" {
    for_each = var.kms_key == null ? [] : [1]
    content {
      kms_key_name = var.kms_key
    }
  }

  time_partitioning {
    type          = "DAY"
    field         = "publish_time"
    expiration_ms = var.tables.expiration_days == null ? null : var.tables.expiration_days * 86400000
  }

  schema = jsonencode([
    { name = "subscription_name", type = "STRING", mode = "NULLABLE", description = "Which subscription wrote the row" },
    { name = "message_id", type = "STRING", mode = "NULLABLE", description = "Pub/Sub's id of the message" },
    { name = "publish_time", type = "TIMESTAMP", mode = "NULLABLE", description = "When it was published" },
    { name = "attributes", type = "JSON", mode = "NULLABLE", description = "The message's attributes" },
    { name = "data", type = each.value.data, mode = "NULLABLE", description = "The message's data" },
  ])
}

resource "google_bigquery_table_iam_member" "pubsub_writes" {
  for_each   = local._tables
  dataset_id = google_bigquery_dataset.this[0].dataset_id
  table_id   = google_bigquery_table.this[each.key].table_id
  role       = "roles/bigquery.dataEditor"
  member     = local.agents.pubsub
}

resource "google_bigquery_table_iam_member" "retrain_reads" {
  for_each   = { for key, one in local._tables : key => one if local.pipeline }
  dataset_id = google_bigquery_dataset.this[0].dataset_id
  table_id   = google_bigquery_table.this[each.key].table_id
  role       = "roles/bigquery.dataViewer"
  member     = local.members.retrain
}

resource "google_pubsub_subscription" "table" {
  for_each                   = local._tables
  name                       = "${var.name}-${replace(each.value.name, "_", "-")}-table"
  topic                      = google_pubsub_topic.this[each.key].id
  ack_deadline_seconds       = 60
  message_retention_duration = "${var.retention_days[each.value.topic] * 86400}s"

  expiration_policy {
    ttl = ""
  }

  bigquery_config {
    table          = join(".", [var.project_id, google_bigquery_dataset.this[0].dataset_id, google_bigquery_table.this[each.key].table_id])
    write_metadata = true
  }

  retry_policy {
    minimum_backoff = "${var.delivery.minimum_backoff_seconds}s"
    maximum_backoff = "${var.delivery.maximum_backoff_seconds}s"
  }

  # A prediction that the table refuses is a dead letter; a dead letter that
  # it refuses waits in the pull subscription.
  dynamic "dead_letter_policy" {
    for_each = each.value.topic == "predictions" ? [1] : []
    content {
      dead_letter_topic     = google_pubsub_topic.this["${each.value.prefix}dead_letter"].id
      max_delivery_attempts = var.delivery.max_attempts
    }
  }

  depends_on = [google_bigquery_table_iam_member.pubsub_writes]
}
