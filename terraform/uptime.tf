# Google's checkers come from outside: they reach predict only where it is
# open to the internet, and call it as Monitoring's own account.
locals {
  _uptime = var.predict.ingress == "ALLOW_ALL" ? { predict = true } : {}
}

resource "google_monitoring_uptime_check_config" "this" {
  for_each     = local._uptime
  display_name = "${var.name} predict"
  timeout      = "10s"
  period       = "300s"

  http_check {
    path         = "/health"
    port         = 443
    use_ssl      = true
    validate_ssl = true
    service_agent_authentication {
      type = "OIDC_TOKEN"
    }
  }

  monitored_resource {
    type = "uptime_url"
    labels = {
      project_id = var.project_id
      host       = trimprefix(local.urls.predict, "https://")
    }
  }
}

resource "google_cloud_run_v2_service_iam_member" "uptime" {
  for_each = local._uptime
  name     = google_cloudfunctions2_function.this["predict"].name
  location = var.region
  role     = "roles/run.invoker"
  member   = local.agents.monitoring

  # Monitoring makes this account with the first check that uses it.
  depends_on = [google_monitoring_uptime_check_config.this]

  lifecycle {
    replace_triggered_by = [google_cloudfunctions2_function.this["predict"].id]
  }
}

resource "google_monitoring_alert_policy" "uptime" {
  for_each              = local._uptime
  display_name          = "${var.name}: predict does not answer"
  combiner              = "OR"
  notification_channels = [for channel in google_monitoring_notification_channel.email : channel.id]

  conditions {
    display_name = "The uptime check fails from two places"
    condition_threshold {
      filter          = "metric.type=\"monitoring.googleapis.com/uptime_check/check_passed\" AND resource.type=\"uptime_url\" AND metric.labels.check_id=\"${google_monitoring_uptime_check_config.this[each.key].uptime_check_id}\""
      comparison      = "COMPARISON_GT"
      threshold_value = 1
      duration        = "300s"
      aggregations {
        alignment_period     = "300s"
        per_series_aligner   = "ALIGN_NEXT_OLDER"
        cross_series_reducer = "REDUCE_COUNT_FALSE"
      }
    }
  }

  documentation {
    content = "No active model, no instance, or no way in: look at GET /health of the function."
  }
}
