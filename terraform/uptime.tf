# Google's checkers come from outside, so they come in where anybody could.
# Where predict is open to the internet they ask it as Monitoring's own
# account. Through the load balancer their token names the domain, which Cloud
# Run does not take: there a refusal says that domain, certificate and front
# end are well, and the alerts say whether predict is.
locals {
  _checks = merge(
    {
      for prefix in keys(local.models) : "${prefix}predict" => { host = trimprefix(local.urls["${prefix}predict"], "https://"), signed = true, refusals = [] }
      if local.watching && var.predict.ingress == "ALLOW_ALL"
    },
    !local.watching || !var.enable_gke_fallback ? {} : {
      load_balancer = { host = var.fallback.domain, signed = false, refusals = var.allow_unauthenticated ? [] : [401, 403] }
    },
  )
}

resource "google_monitoring_uptime_check_config" "this" {
  for_each     = local._checks
  display_name = "${var.name} ${replace(each.key, "_", " ")}"
  timeout      = "10s"
  period       = "300s"

  http_check {
    path         = "/health"
    port         = 443
    use_ssl      = true
    validate_ssl = true

    dynamic "service_agent_authentication" {
      for_each = each.value.signed ? [1] : []
      content {
        type = "OIDC_TOKEN"
      }
    }

    # What is not listed fails the check: a Gateway that asks nobody for a token answers 200.
    accepted_response_status_codes {
      status_class = "STATUS_CLASS_2XX"
    }

    dynamic "accepted_response_status_codes" {
      for_each = each.value.refusals
      content {
        status_value = accepted_response_status_codes.value
      }
    }
  }

  monitored_resource {
    type = "uptime_url"
    labels = {
      project_id = var.project_id
      host       = each.value.host
    }
  }
}

resource "google_cloud_run_v2_service_iam_member" "uptime" {
  for_each = { for key, one in local._checks : key => one if one.signed }
  name     = google_cloudfunctions2_function.this[each.key].name
  location = var.region
  role     = "roles/run.invoker"
  member   = local.agents.monitoring

  # Monitoring makes this account with the first check that uses it.
  depends_on = [google_monitoring_uptime_check_config.this]

  lifecycle {
    replace_triggered_by = [google_cloudfunctions2_function.this[each.key].id]
  }
}

resource "google_monitoring_alert_policy" "uptime" {
  for_each              = local._checks
  display_name          = "${var.name}: ${replace(each.key, "_", " ")} does not answer"
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
    content = "No active model, no instance, or no way in: look at GET /health of the function, and with the load balancer at its DNS record and certificate."
  }
}
