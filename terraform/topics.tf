locals {
  topics = merge({
    for key in setproduct(keys(local._event_models), ["dead_letter", "input", "predictions"]) : join("", key) => { retention_days = var.retention_days[key[1]] }
    }, var.shadow == null ? {} : {
    shadow = { retention_days = var.retention_days.shadow }
    }, {
    for topic in keys(local._logs) : topic => { retention_days = var.retention_days.prediction_log }
  })

  _schemas = { for prefix, one in local._event_models : "${prefix}input" => one.input_schema if one.input_schema != null }
}

resource "google_pubsub_topic" "this" {
  for_each                   = local.topics
  name                       = "${var.name}-${replace(each.key, "_", "-")}"
  message_retention_duration = "${each.value.retention_days * 86400}s"
  kms_key_name               = var.kms_key

  dynamic "schema_settings" {
    for_each = [for key, one in google_pubsub_schema.input : one if key == each.key]
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
  for_each   = local._schemas
  name       = "${var.name}-${each.key}-${substr(sha256(each.value), 0, 8)}"
  type       = "AVRO"
  definition = each.value

  lifecycle {
    create_before_destroy = true
  }
}

# The function publishes what it has scored, and what can never be scored.
resource "google_pubsub_topic_iam_member" "event_publishes" {
  for_each = { for key in setproduct(keys(local._event_models), ["dead_letter", "predictions"]) : join("", key) => "${key[0]}event" }
  topic    = google_pubsub_topic.this[each.key].name
  role     = "roles/pubsub.publisher"
  member   = local.members[each.value]
}

# Without this grant and that of each subscription, Pub/Sub cannot move a
# message that has failed too often, and does not say so.
resource "google_pubsub_topic_iam_member" "dead_letters" {
  for_each = toset([for prefix in keys(local._event_models) : "${prefix}dead_letter"])
  topic    = google_pubsub_topic.this[each.key].name
  role     = "roles/pubsub.publisher"
  member   = local.agents.pubsub
}

resource "google_pubsub_topic_iam_member" "producers" {
  for_each = merge([for prefix, one in local._event_models : { for member in one.producers : "${prefix}${member}" => { topic = "${prefix}input", member = member } }]...)
  topic    = google_pubsub_topic.this[each.value.topic].name
  role     = "roles/pubsub.publisher"
  member   = each.value.member
}
