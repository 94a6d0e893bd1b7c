locals {
  _service      = "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=\"%s\""
  _subscription = "resource.type=\"pubsub_subscription\" AND resource.labels.subscription_id=\"%s\""
  _predict      = { for prefix in keys(local.models) : prefix => format(local._service, google_cloudfunctions2_function.this["${prefix}predict"].name) }
  _event        = { for key, one in google_cloudfunctions2_function.this : trimsuffix(key, "predict_event") => format(local._service, one.name) if endswith(key, "predict_event") }
  _events       = { for key, one in google_pubsub_subscription.events : trimsuffix(key, "predict_event") => format(local._subscription, one.name) }
  _dead_letters = { for key, one in google_pubsub_subscription.dead_letters : trimsuffix(key, "dead_letter") => format(local._subscription, one.name) }
  _balanced     = "metric.type=\"loadbalancing.googleapis.com/https/backend_request_count\" AND resource.type=\"https_lb_rule\""

  # Every metric stands in METRICS.md with its source.
  _thresholds = { for prefix, one in local.models : prefix => {
    errors = {
      events    = false
      title     = "predict answers too many 5xx"
      filter    = "metric.type=\"run.googleapis.com/request_count\" AND ${local._predict[prefix]} AND metric.labels.response_code_class=\"5xx\""
      of        = "metric.type=\"run.googleapis.com/request_count\" AND ${local._predict[prefix]}"
      aligner   = "ALIGN_RATE"
      reducer   = "REDUCE_SUM"
      threshold = var.alerts.error_ratio
      seconds   = 300
      advice    = "Look at the function's log for severity ERROR. After a promotion, go back: modelserve rollback ${one.name}"
    }
    latency = {
      events    = false
      title     = "predict is slow"
      filter    = "metric.type=\"run.googleapis.com/request_latencies\" AND ${local._predict[prefix]}"
      of        = null
      aligner   = "ALIGN_PERCENTILE_95"
      reducer   = "REDUCE_MAX"
      threshold = var.alerts.latency_milliseconds
      seconds   = 600
      advice    = "More instances (predict.max_instances), fewer requests on each (predict.concurrency), or a compiled model."
    }
    cold_starts = {
      events    = false
      title     = "Instances of predict start slowly"
      filter    = "metric.type=\"run.googleapis.com/container/startup_latencies\" AND ${local._predict[prefix]}"
      of        = null
      aligner   = "ALIGN_PERCENTILE_95"
      reducer   = "REDUCE_MAX"
      threshold = var.alerts.cold_start_milliseconds
      seconds   = 0
      advice    = "A compiled model starts faster; predict.min_instances keeps one warm."
    }
    dead_letters = {
      events    = true
      title     = "There are dead letters"
      filter    = "metric.type=\"pubsub.googleapis.com/subscription/num_undelivered_messages\" AND ${lookup(local._dead_letters, prefix, "")}"
      of        = null
      aligner   = "ALIGN_MAX"
      reducer   = "REDUCE_MAX"
      threshold = 0
      seconds   = 0
      advice    = "Each says why in its attributes error_code and error_message: docs/events.md."
    }
    oldest_event = {
      events    = true
      title     = "Events wait too long"
      filter    = "metric.type=\"pubsub.googleapis.com/subscription/oldest_unacked_message_age\" AND ${lookup(local._events, prefix, "")}"
      of        = null
      aligner   = "ALIGN_MAX"
      reducer   = "REDUCE_MAX"
      threshold = var.alerts.oldest_event_seconds
      seconds   = 300
      advice    = "predict_event refuses or is missing: look at its log for the reason it sends messages back."
    }
  } }

  _fallback_threshold = {
    for key, one in module.fallback : "fallback" => {
      events    = false
      names     = var.name
      title     = "The fallback has answered for an hour"
      filter    = "${local._balanced} AND resource.labels.url_map_name=\"${one.url_map}\" AND resource.labels.backend_target_name=\"${one.backend_name}\""
      of        = "${local._balanced} AND resource.labels.url_map_name=\"${one.url_map}\""
      aligner   = "ALIGN_RATE"
      reducer   = "REDUCE_SUM"
      threshold = var.alerts.fallback_ratio
      seconds   = 3600
      advice    = "When predict is well again, move requests back: modelserve failover --to functions"
    }
  }

  _all_thresholds = merge(local._fallback_threshold, [for prefix, thresholds in local._thresholds : {
    for key, one in thresholds : "${prefix}${key}" => merge(one, { names = local.models[prefix].names })
  }]...)

  thresholds = { for key, one in local._all_thresholds : key => one if local.watching && (local.events || !one.events) }
}

resource "google_monitoring_notification_channel" "email" {
  for_each     = toset(local.watching ? var.notification_emails : [])
  display_name = "${var.name} ${each.key}"
  type         = "email"
  labels = {
    email_address = each.key
  }
}

resource "google_monitoring_alert_policy" "threshold" {
  for_each              = local.thresholds
  display_name          = "${each.value.names}: ${each.value.title}"
  combiner              = "OR"
  notification_channels = [for channel in google_monitoring_notification_channel.email : channel.id]

  conditions {
    display_name = each.value.title
    condition_threshold {
      filter             = each.value.filter
      denominator_filter = each.value.of
      comparison         = "COMPARISON_GT"
      threshold_value    = each.value.threshold
      duration           = "${each.value.seconds}s"

      aggregations {
        alignment_period     = "60s"
        per_series_aligner   = each.value.aligner
        cross_series_reducer = each.value.reducer
      }

      dynamic "denominator_aggregations" {
        for_each = each.value.of == null ? [] : [1]
        content {
          alignment_period     = "60s"
          per_series_aligner   = each.value.aligner
          cross_series_reducer = each.value.reducer
        }
      }
    }
  }

  documentation {
    content = each.value.advice
  }
}

resource "google_monitoring_alert_policy" "no_prediction" {
  for_each              = { for prefix in keys(local._event_models) : "${prefix}predictions" => prefix if local.watching && var.alerts.quiet_hours != null }
  display_name          = "${local.models[each.value].names}: no prediction was published"
  combiner              = "OR"
  notification_channels = [for channel in google_monitoring_notification_channel.email : channel.id]

  conditions {
    display_name = "Nothing on the predictions topic for ${var.alerts.quiet_hours} hours"
    condition_absent {
      filter   = "metric.type=\"pubsub.googleapis.com/topic/send_request_count\" AND resource.type=\"pubsub_topic\" AND resource.labels.topic_id=\"${google_pubsub_topic.this[each.key].name}\""
      duration = "${var.alerts.quiet_hours * 3600}s"
      aggregations {
        alignment_period     = "300s"
        per_series_aligner   = "ALIGN_RATE"
        cross_series_reducer = "REDUCE_SUM"
      }
    }
  }

  documentation {
    content = "Do producers still publish to ${google_pubsub_topic.this["${each.value}input"].name}? If they do, look at the dead letters."
  }
}

resource "google_monitoring_alert_policy" "activation" {
  count                 = local.watching ? 1 : 0
  display_name          = "${var.name}: a version cannot be loaded"
  combiner              = "OR"
  notification_channels = [for channel in google_monitoring_notification_channel.email : channel.id]

  conditions {
    display_name = "A version was refused"
    condition_matched_log {
      filter = local.log_lines.activation_failures
    }
  }

  alert_strategy {
    notification_rate_limit {
      period = "3600s"
    }
  }

  documentation {
    content = "The version before it still serves. The log line says what was refused: docs/errors.md. Go back: ${local.rollback}"
  }
}

# A build that nobody watches: it was asked for by a schedule.
resource "google_monitoring_alert_policy" "failed_job" {
  for_each              = { for job, one in google_cloudbuild_trigger.job : job => one if local.watching }
  display_name          = "${var.name}: ${each.key} failed"
  combiner              = "OR"
  notification_channels = [for channel in google_monitoring_notification_channel.email : channel.id]

  conditions {
    display_name = "The build ${each.value.name} failed"
    condition_matched_log {
      filter = local._failed_job[each.key]
    }
  }

  alert_strategy {
    notification_rate_limit {
      period = "3600s"
    }
  }

  documentation {
    content = "The model that serves is still the one before. Look at the log: gcloud builds list --project=${var.project_id} --region=${var.region} --filter=buildTriggerId=${each.value.trigger_id}"
  }
}
