# The subscription is ours, not the function's event_trigger: a trigger makes
# one of its own without a dead letter policy, and loses messages when it is
# replaced: https://github.com/hashicorp/terraform-provider-google/issues/25069
resource "google_pubsub_subscription" "events" {
  count                      = local.events ? 1 : 0
  name                       = "${var.name}-events"
  topic                      = google_pubsub_topic.this["input"].id
  ack_deadline_seconds       = local.ack_deadline_seconds
  message_retention_duration = "${var.retention_days.input * 86400}s"

  expiration_policy {
    ttl = "" # never; by default it would vanish after 31 days without traffic
  }

  # The last path segments restore the source of the event.
  dynamic "push_config" {
    for_each = var.delivery.mode == "push" ? [1] : []
    content {
      push_endpoint = "${local.urls.predict_event}/${google_pubsub_topic.this["input"].id}"
      oidc_token {
        service_account_email = google_service_account.this["push"].email
        audience              = local.urls.predict_event
      }
    }
  }

  retry_policy {
    minimum_backoff = "${var.delivery.minimum_backoff_seconds}s"
    maximum_backoff = "${var.delivery.maximum_backoff_seconds}s"
  }

  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.this["dead_letter"].id
    max_delivery_attempts = var.delivery.max_attempts
  }

  depends_on = [google_cloud_run_v2_service_iam_member.push]
}

locals {
  ack_deadline_seconds = coalesce(var.delivery.ack_deadline_seconds, max(10, var.predict_event.timeout_seconds))
}

# Their messages go to the dead letter topic, so Pub/Sub acks them there.
resource "google_pubsub_subscription_iam_member" "dead_letters" {
  count        = local.events ? 1 : 0
  subscription = google_pubsub_subscription.events[0].name
  role         = "roles/pubsub.subscriber"
  member       = local.agents.pubsub

  lifecycle {
    replace_triggered_by = [google_pubsub_subscription.events[0].id]
  }
}

resource "google_pubsub_subscription_iam_member" "table_dead_letters" {
  for_each     = { for key, one in google_pubsub_subscription.table : key => one.name if key == "predictions" }
  subscription = each.value
  role         = "roles/pubsub.subscriber"
  member       = local.agents.pubsub

  lifecycle {
    replace_triggered_by = [google_pubsub_subscription.table["predictions"].id]
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
  count                      = local.events ? 1 : 0
  name                       = "${var.name}-dead-letters"
  topic                      = google_pubsub_topic.this["dead_letter"].id
  ack_deadline_seconds       = 60
  message_retention_duration = "${var.retention_days.dead_letter * 86400}s"

  expiration_policy {
    ttl = ""
  }
}
