# Batches: a job of Cloud Run with the modelserve command, started by a schedule or by a file that arrives: docs/batch-scheduled.md.
locals {
  _address = "^gs://([^/]+)/([^{*?]*)"

  # Bucket and fixed beginning of where each batch reads and writes, null for a table.
  batches = { for key, one in var.batches : key => merge(one, {
    from = try(regex(local._address, one.input), null)
    job  = "${var.name}-batch-${key}"
    to   = try(regex(local._address, one.output), null)
  }) }

  # Project and dataset of each table, by the role that the batches need on it.
  _datasets = { for role, addresses in {
    "roles/bigquery.dataEditor" = [for one in var.batches : one.output]
    "roles/bigquery.dataViewer" = [for one in var.batches : one.input]
  } : role => distinct([for one in addresses : slice(regex(local._table, one), 0, 2) if can(regex(local._table, one))]) }

  _scheduled = { for key, one in local.batches : key => one if one.schedule != null }
  _arriving  = { for key, one in local.batches : key => one if one.on_arrival }

  _options = { for key, one in var.batches : key => concat(["--store", "gs://${google_storage_bucket.this["models"].name}"], lookup(local._dataflow_options, key, []), one.arguments) }

  # What raises the alarm of each batch, by the name of the condition.
  _failures = { for key, one in local.batches : key => merge({
    "An execution of ${one.job} failed" = "metric.type=\"run.googleapis.com/job/completed_execution_count\" AND resource.type=\"cloud_run_job\" AND resource.labels.job_name=\"${google_cloud_run_v2_job.batch[key].name}\" AND metric.labels.result=\"failed\""
    }, !one.on_arrival ? {} : {
    "A file arrived and ${one.job} could not be started" = "metric.type=\"workflows.googleapis.com/finished_execution_count\" AND resource.type=\"workflows.googleapis.com/Workflow\" AND resource.labels.workflow_id=\"${google_workflows_workflow.arrival[key].name}\" AND metric.labels.status=\"FAILED\""
  }) }

  _start = { for key, one in local.batches : key => "https://run.googleapis.com/v2/projects/${var.project_id}/locations/${var.region}/jobs/${one.job}:run" }
}

resource "google_cloud_run_v2_job" "batch" {
  for_each            = local.batches
  name                = each.value.job
  location            = var.region
  deletion_protection = false # it keeps nothing

  template {
    template {
      encryption_key  = var.kms_key
      max_retries     = each.value.attempts - 1
      service_account = google_service_account.this["batch"].email
      timeout         = "${each.value.timeout_seconds}s"

      containers {
        image   = each.value.dataflow == null ? var.control_image : var.beam_image
        command = each.value.dataflow == null ? null : ["modelserve"] # the entry point of that image is Beam's
        args    = concat(["score", each.value.model, "--input", each.value.input, "--output", each.value.output], local._options[each.key])
        resources {
          limits = { cpu = each.value.cpu, memory = each.value.memory }
        }
      }
    }
  }

  depends_on = [google_kms_crypto_key_iam_member.this]
}

# Each bucket once: several batches may share it.
resource "google_storage_bucket_iam_member" "batch_reads" {
  for_each = toset(flatten([for one in local.batches : [for place in [one.from, one.to] : place[0] if place != null]]))
  bucket   = each.key
  role     = "roles/storage.objectViewer"
  member   = local.members.batch
}

resource "google_storage_bucket_iam_member" "batch_writes" {
  for_each = { for one in local.batches : join("/", one.to) => one.to... if one.to != null }
  bucket   = each.value[0][0]
  role     = "roles/storage.objectUser"
  member   = local.members.batch

  condition {
    title      = "outputs below ${each.value[0][1]} only"
    expression = "resource.name.startsWith(${jsonencode("projects/_/buckets/${each.value[0][0]}/objects/${each.value[0][1]}")})"
  }
}

# The dataset, because a new output has no table yet, and is made beside itself.
resource "google_bigquery_dataset_iam_member" "batch" {
  for_each   = merge([for role, datasets in local._datasets : { for one in datasets : "${join(".", one)}/${role}" => one }]...)
  project    = each.value[0]
  dataset_id = each.value[1]
  role       = "roles/${split("/roles/", each.key)[1]}"
  member     = local.members.batch
  depends_on = [google_bigquery_dataset.this] # which a batch may read
}

# For files that arrive also with other arguments.
resource "google_cloud_run_v2_job_iam_member" "start_runs" {
  for_each = google_cloud_run_v2_job.batch
  name     = each.value.name
  location = var.region
  role     = contains(keys(local._arriving), each.key) ? "roles/run.jobsExecutorWithOverrides" : "roles/run.invoker"
  member   = local.members.start

  lifecycle {
    replace_triggered_by = [google_cloud_run_v2_job.batch[each.key].id]
  }
}

resource "google_cloud_scheduler_job" "batch" {
  for_each         = local._scheduled
  name             = each.value.job
  description      = "Starts the batch ${each.key}"
  region           = var.region
  schedule         = each.value.schedule
  time_zone        = each.value.time_zone
  attempt_deadline = "180s"

  http_target {
    http_method = "POST"
    uri         = local._start[each.key]
    oauth_token {
      service_account_email = google_service_account.this["start"].email
    }
  }

  retry_config {
    retry_count = 3
  }

  depends_on = [google_cloud_run_v2_job_iam_member.start_runs]
}

resource "google_monitoring_alert_policy" "failed_batch" {
  for_each              = { for key, one in google_cloud_run_v2_job.batch : key => one.name if local.watching }
  display_name          = "${var.name}: the batch ${each.key} failed"
  combiner              = "OR"
  notification_channels = [for channel in google_monitoring_notification_channel.email : channel.id]

  dynamic "conditions" {
    for_each = local._failures[each.key]
    content {
      display_name = conditions.key
      condition_threshold {
        filter          = conditions.value
        comparison      = "COMPARISON_GT"
        threshold_value = 0
        duration        = "0s"

        aggregations {
          alignment_period     = "60s"
          per_series_aligner   = "ALIGN_DELTA"
          cross_series_reducer = "REDUCE_SUM"
        }
      }
    }
  }

  documentation {
    content = "The log of the job says why (docs/batch-scheduled.md): gcloud run jobs executions list --job=${each.value} --project=${var.project_id} --region=${var.region}"
  }
}
