# The subscription is ours, not the function's event_trigger: a trigger makes
# one of its own without a dead letter policy, and loses messages when it is
# replaced: https://github.com/hashicorp/terraform-provider-google/issues/25069
resource "google_pubsub_subscription" "events" {
  for_each                   = { for key, one in local.functions : key => one if one.entry_point == "predict_event" }
  name                       = "${var.name}-${each.value.prefix}events"
  topic                      = google_pubsub_topic.this["${each.value.prefix}input"].id
  ack_deadline_seconds       = coalesce(var.delivery.ack_deadline_seconds, max(10, each.value.timeout_seconds))
  message_retention_duration = "${var.retention_days.input * 86400}s"

  expiration_policy {
    ttl = "" # never; by default it would vanish after 31 days without traffic
  }

  # The last path segments restore the source of the event.
  dynamic "push_config" {
    for_each = var.delivery.mode == "push" ? [1] : []
    content {
      push_endpoint = "${local.urls[each.key]}/${google_pubsub_topic.this["${each.value.prefix}input"].id}"
      oidc_token {
        service_account_email = google_service_account.this["${each.value.prefix}push"].email
        audience              = local.urls[each.key]
      }
    }
  }

  retry_policy {
    minimum_backoff = "${var.delivery.minimum_backoff_seconds}s"
    maximum_backoff = "${var.delivery.maximum_backoff_seconds}s"
  }

  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.this["${each.value.prefix}dead_letter"].id
    max_delivery_attempts = var.delivery.max_attempts
  }

  depends_on = [google_cloud_run_v2_service_iam_member.push]
}

# Their messages go to the dead letter topic, so Pub/Sub acks them there.
resource "google_pubsub_subscription_iam_member" "dead_letters" {
  for_each     = google_pubsub_subscription.events
  subscription = each.value.name
  role         = "roles/pubsub.subscriber"
  member       = local.agents.pubsub

  lifecycle {
    replace_triggered_by = [google_pubsub_subscription.events[each.key].id]
  }
}

resource "google_pubsub_subscription_iam_member" "table_dead_letters" {
  for_each     = { for key, one in google_pubsub_subscription.table : key => one.name if endswith(key, "predictions") }
  subscription = each.value
  role         = "roles/pubsub.subscriber"
  member       = local.agents.pubsub

  lifecycle {
    replace_triggered_by = [google_pubsub_subscription.table[each.key].id]
  }
}

moved {
  from = google_pubsub_subscription_iam_member.dead_letters["events"]
  to   = google_pubsub_subscription_iam_member.dead_letters[0]
}

moved {
  from = google_pubsub_subscription_iam_member.dead_letters["predictions"]
  to   = google_pubsub_subscription_iam_member.table_dead_letters["predictions"]
}

# A topic without a subscription keeps nothing for those who come later.
resource "google_pubsub_subscription" "dead_letters" {
  for_each                   = { for prefix in keys(local._event_models) : "${prefix}dead_letter" => prefix }
  name                       = "${var.name}-${each.value}dead-letters"
  topic                      = google_pubsub_topic.this[each.key].id
  ack_deadline_seconds       = 60
  message_retention_duration = "${var.retention_days.dead_letter * 86400}s"

  expiration_policy {
    ttl = ""
  }
}
