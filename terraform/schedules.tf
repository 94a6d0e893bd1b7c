# Cloud Scheduler publishes as its own service agent, which may by default.
resource "google_cloud_scheduler_job" "this" {
  for_each    = { for job, when in var.schedules : job => when if when != null && local.pipeline }
  name        = "${var.name}-${each.key}"
  description = "Asks for the job ${each.key}"
  region      = var.region
  schedule    = each.value
  time_zone   = "Etc/UTC"
  paused      = var.repository == null # nobody would listen

  pubsub_target {
    topic_name = google_pubsub_topic.jobs[0].id
    data       = base64encode(jsonencode({ job = each.key }))
    attributes = { job = each.key }
  }

  retry_config {
    retry_count = 3
  }
}
