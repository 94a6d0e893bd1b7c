# From the functions' own log lines: functions/modelserve/logs.py.
# No alert uses these: a new metric takes minutes to exist, and an alert that
# names it would make the first apply fail. Alerts match the lines themselves.
locals {
  _services = join(" OR ", [for one in google_cloudfunctions2_function.this : "resource.labels.service_name=\"${one.name}\""])
  _lines    = "resource.type=\"cloud_run_revision\" AND (${local._services})"

  log_lines = {
    activations         = "jsonPayload.logger=\"modelserve.active\" AND jsonPayload.message=\"version activated\""
    activation_failures = "jsonPayload.logger=\"modelserve.active\" AND severity>=ERROR"
    dead_letters        = "jsonPayload.logger=\"modelserve.events\" AND severity>=ERROR AND jsonPayload.records>0"
    model_failures      = "jsonPayload.logger=~\"^modelserve.runtimes\" AND severity>=ERROR"
  }

  log_metrics = {
    activations         = { label = "model_version", field = "jsonPayload.model_version", about = "Versions that were loaded and serve" }
    activation_failures = { label = "error_code", field = "jsonPayload.error_code", about = "Versions that could not be loaded" }
    dead_letters        = { label = "error_code", field = "jsonPayload.error_code", about = "Messages that can never be scored" }
    model_failures      = { label = "function", field = "resource.labels.service_name", about = "Calls in which the model itself raised" }
  }
}

resource "google_logging_metric" "this" {
  for_each    = local.log_metrics
  name        = "${var.name}/${each.key}"
  description = each.value.about
  filter      = "${local._lines} AND ${local.log_lines[each.key]}"

  label_extractors = {
    (each.value.label) = "EXTRACT(${each.value.field})"
  }

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
    unit        = "1"
    labels {
      key        = each.value.label
      value_type = "STRING"
    }
  }
}
