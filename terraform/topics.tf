locals {
  topics = merge(!local.events ? {} : {
    dead_letter = { name = "dead-letter", retention_days = var.retention_days.dead_letter }
    input       = { name = "input", retention_days = var.retention_days.input }
    predictions = { name = "predictions", retention_days = var.retention_days.predictions }
    }, var.shadow == null ? {} : {
    shadow = { name = "shadow", retention_days = var.retention_days.shadow }
  })
}

resource "google_pubsub_topic" "this" {
  for_each                   = local.topics
  name                       = "${var.name}-${each.value.name}"
  message_retention_duration = "${each.value.retention_days * 86400}s"
  kms_key_name               = var.kms_key

  dynamic "schema_settings" {
    for_each = each.key == "input" ? google_pubsub_schema.input : []
    content {
      schema   = schema_settings.value.id
      encoding = "JSON"
    }
  }

  depends_on = [google_kms_crypto_key_iam_member.this]
}

# A schema in use cannot be replaced under its own name, so the name carries
# the hash of the definition and the topic moves before the old one goes.
resource "google_pubsub_schema" "input" {
  count      = local.events && var.input_schema != null ? 1 : 0
  name       = "${var.name}-input-${substr(sha256(var.input_schema), 0, 8)}"
  type       = "AVRO"
  definition = var.input_schema

  lifecycle {
    create_before_destroy = true
  }
}

# The function publishes what it has scored, and what can never be scored.
resource "google_pubsub_topic_iam_member" "event_publishes" {
  for_each = local.events ? toset(["dead_letter", "predictions"]) : toset([])
  topic    = google_pubsub_topic.this[each.key].name
  role     = "roles/pubsub.publisher"
  member   = local.members.event
}

# Without this grant and that of each subscription, Pub/Sub cannot move a
# message that has failed too often, and does not say so.
resource "google_pubsub_topic_iam_member" "dead_letters" {
  count  = local.events ? 1 : 0
  topic  = google_pubsub_topic.this["dead_letter"].name
  role   = "roles/pubsub.publisher"
  member = local.agents.pubsub
}

resource "google_pubsub_topic_iam_member" "producers" {
  for_each = toset(local.events ? var.producers : [])
  topic    = google_pubsub_topic.this["input"].name
  role     = "roles/pubsub.publisher"
  member   = each.key
}
