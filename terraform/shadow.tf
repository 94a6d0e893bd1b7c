# A challenger beside `model`, and not beside others of `models`: docs/shadow.md.
locals {
  # Both functions get these, and the pods of the fallback by their overlay's settings.env.
  shadow_settings = var.shadow == null ? {} : {
    SHADOW_MODEL_URI = "gs://${google_storage_bucket.this["models"].name}/models/${coalesce(var.shadow.name, var.model.name)}@${var.shadow.alias}"
    SHADOW_PERCENT   = tostring(var.shadow.percent)
    SHADOW_TOLERANCE = tostring(var.shadow.tolerance)
    SHADOW_TOPIC     = google_pubsub_topic.this["shadow"].id
  }

  # A challenger is a second model in memory, with a second interpreter.
  models_in_memory = { for prefix in keys(local.models) : prefix => var.shadow == null || prefix != "" ? 1 : 2 }
}

resource "google_pubsub_topic_iam_member" "shadows_publish" {
  for_each = var.shadow == null ? toset([]) : setintersection(toset(["event", "http"]), keys(local.identities))
  topic    = google_pubsub_topic.this["shadow"].name
  role     = "roles/pubsub.publisher"
  member   = local.members[each.key]
}

# What `modelserve release` reads. It needs no dead letter topic: a report that
# nobody can read tells nothing, costs no prediction, and is gone after a while.
resource "google_pubsub_subscription" "shadow" {
  count                      = var.shadow == null ? 0 : 1
  name                       = "${var.name}-shadow-release"
  topic                      = google_pubsub_topic.this["shadow"].id
  ack_deadline_seconds       = 60
  message_retention_duration = "${var.retention_days.shadow * 86400}s"

  expiration_policy {
    ttl = ""
  }
}

# Whoever may move an alias may release with --shadow.
resource "google_pubsub_subscription_iam_member" "releases_read_shadow" {
  for_each     = var.shadow == null ? toset([]) : setintersection(toset(["deploy", "retrain"]), keys(local.identities))
  subscription = google_pubsub_subscription.shadow[0].name
  role         = "roles/pubsub.subscriber"
  member       = local.members[each.key]

  lifecycle {
    replace_triggered_by = [google_pubsub_subscription.shadow[0].id]
  }
}
