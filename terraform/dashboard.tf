locals {
  _log_metric = "logging.googleapis.com/user/${var.name}"

  # A chart: title, metric, the resource it is about, how its points are made, by which label its lines are split.
  charts = { for prefix in keys(local.models) : prefix => concat([
    ["Requests by status", "run.googleapis.com/request_count", local._predict[prefix], "ALIGN_RATE", "metric.label.response_code_class"],
    ["Latency, 95th percentile", "run.googleapis.com/request_latencies", local._predict[prefix], "ALIGN_PERCENTILE_95", "resource.label.revision_name"],
    ["Instances", "run.googleapis.com/container/instance_count", local._predict[prefix], "ALIGN_MAX", "metric.label.state"],
    ["Start of an instance, 95th percentile", "run.googleapis.com/container/startup_latencies", local._predict[prefix], "ALIGN_PERCENTILE_95", "resource.label.revision_name"],
    ["Memory in use", "run.googleapis.com/container/memory/utilizations", local._predict[prefix], "ALIGN_PERCENTILE_99", "resource.label.revision_name"],
    ], !local.events ? [] : [
    ["Events by answer", "run.googleapis.com/request_count", lookup(local._event, prefix, ""), "ALIGN_RATE", "metric.label.response_code_class"],
    ["Age of the oldest event", "pubsub.googleapis.com/subscription/oldest_unacked_message_age", lookup(local._events, prefix, ""), "ALIGN_MAX", "resource.label.subscription_id"],
    ["Events waiting", "pubsub.googleapis.com/subscription/num_undelivered_messages", lookup(local._events, prefix, ""), "ALIGN_MAX", "resource.label.subscription_id"],
    ["Dead letters waiting", "pubsub.googleapis.com/subscription/num_undelivered_messages", lookup(local._dead_letters, prefix, ""), "ALIGN_MAX", "resource.label.subscription_id"],
    ], [
    ["Activations by version", "${local._log_metric}/activations", local._revisions[prefix], "ALIGN_DELTA", "metric.label.model_version"],
    ["Refused versions by reason", "${local._log_metric}/activation_failures", local._revisions[prefix], "ALIGN_DELTA", "metric.label.error_code"],
    ["Dead letters by reason", "${local._log_metric}/dead_letters", local._revisions[prefix], "ALIGN_DELTA", "metric.label.error_code"],
    ["The model raised", "${local._log_metric}/model_failures", local._revisions[prefix], "ALIGN_DELTA", "metric.label.function"],
    ], var.repository == null ? [] : [
    ["Failed jobs by trigger", "${local._log_metric}/failed_builds", "resource.type=\"build\"", "ALIGN_DELTA", "metric.label.trigger"],
  ]) }
}

resource "google_monitoring_dashboard" "this" {
  for_each = { for prefix in keys(local.models) : "${prefix}predict" => prefix if local.watching }

  dashboard_json = jsonencode({
    displayName = "${local.models[each.value].names} ${var.environment}"
    gridLayout = {
      columns = "3"
      widgets = [
        for chart in local.charts[each.value] : {
          title = chart[0]
          xyChart = {
            dataSets = [{
              plotType = "LINE"
              timeSeriesQuery = {
                timeSeriesFilter = {
                  filter = "metric.type=\"${chart[1]}\" ${chart[2]}"
                  aggregation = {
                    alignmentPeriod    = "60s"
                    perSeriesAligner   = chart[3]
                    crossSeriesReducer = chart[3] == "ALIGN_RATE" || chart[3] == "ALIGN_DELTA" ? "REDUCE_SUM" : "REDUCE_MAX"
                    groupByFields      = [chart[4]]
                  }
                }
              }
            }]
          }
        }
      ]
    }
  })
}
