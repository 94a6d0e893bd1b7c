# From the functions' own log lines (functions/modelserve/core/logs.py) and the end
# of a build's log. No alert uses these: a new metric takes minutes to exist, and
# an alert that names it would make the first apply fail. Alerts match the lines.
locals {
  _services = { for prefix in keys(local.models) : prefix => join(" OR ", [
    for key, one in google_cloudfunctions2_function.this : "resource.labels.service_name=\"${one.name}\"" if local.functions[key].prefix == prefix
  ]) }
  _revisions = { for prefix, services in local._services : prefix => "resource.type=\"cloud_run_revision\" AND (${services})" }

  # A challenger that fails costs no answer, and its lines stand among the server's. NOT takes lines without the field; != would not.
  _lines = "resource.type=\"cloud_run_revision\" AND (${join(" OR ", values(local._services))}) AND NOT jsonPayload.process=\"shadow\""

  # Cloud Build says why a build failed or ran out of time. What a step itself prints has its number in front.
  _failure    = "resource.type=\"build\" AND textPayload=~\"^ERROR: (build step |context deadline exceeded)\""
  _failed_job = { for job, one in google_cloudbuild_trigger.job : job => "${local._failure} AND resource.labels.build_trigger_id=\"${one.trigger_id}\"" }

  log_lines = {
    activations         = "${local._lines} AND jsonPayload.logger=\"modelserve.models.active\" AND jsonPayload.message=\"version activated\""
    activation_failures = "${local._lines} AND jsonPayload.logger=\"modelserve.models.active\" AND severity>=ERROR"
    dead_letters        = "${local._lines} AND jsonPayload.logger=\"modelserve.events.outbox\" AND severity>=ERROR AND jsonPayload.records>0"
    failed_builds       = "${local._failure} AND resource.labels.build_trigger_id=~\"^(${join("|", [for one in google_cloudbuild_trigger.job : one.trigger_id])})$\""
    model_failures      = "${local._lines} AND jsonPayload.logger=~\"^modelserve.models.scorers\" AND severity>=ERROR"
  }

  log_metrics = merge({
    activations         = { label = "model_version", field = "jsonPayload.model_version", about = "Versions that were loaded and serve" }
    activation_failures = { label = "error_code", field = "jsonPayload.error_code", about = "Versions that could not be loaded" }
    dead_letters        = { label = "error_code", field = "jsonPayload.error_code", about = "Messages that can never be scored" }
    model_failures      = { label = "function", field = "resource.labels.service_name", about = "Calls in which the model itself raised" }
    }, var.repository == null ? {} : {
    failed_builds = { label = "trigger", field = "resource.labels.build_trigger_id", about = "Builds for retraining and drift that failed" }
  })
}

resource "google_logging_metric" "this" {
  for_each    = { for name, one in local.log_metrics : name => one if local.watching }
  name        = "${var.name}/${each.key}"
  description = each.value.about
  filter      = local.log_lines[each.key]

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
