# A file that arrives starts its batch. The bucket notifies a topic directly, because only such a notification filters by prefix and
# needs no grant on the project. Eventarc passes it to a workflow, because Eventarc cannot start jobs.
resource "google_pubsub_topic" "arrivals" {
  for_each                   = local._arriving
  name                       = "${each.value.job}-arrivals"
  message_retention_duration = "86400s"
  kms_key_name               = var.kms_key
  depends_on                 = [google_kms_crypto_key_iam_member.this]
}

resource "google_pubsub_topic_iam_member" "buckets_notify" {
  for_each = google_pubsub_topic.arrivals
  topic    = each.value.name
  role     = "roles/pubsub.publisher"
  member   = data.google_storage_project_service_account.this[0].member
}

resource "google_storage_notification" "arrivals" {
  for_each           = local._arriving
  bucket             = each.value.from[0]
  object_name_prefix = each.value.from[1]
  event_types        = ["OBJECT_FINALIZE"]
  payload_format     = "NONE"
  topic              = google_pubsub_topic.arrivals[each.key].id
  depends_on         = [google_pubsub_topic_iam_member.buckets_notify]
}

resource "google_workflows_workflow" "arrival" {
  for_each            = local._arriving
  name                = "${each.value.job}-arrival"
  region              = var.region
  description         = "Starts the batch ${each.key} for a file that has arrived"
  service_account     = google_service_account.this["start"].id
  crypto_key_name     = var.kms_key
  deletion_protection = false # it keeps nothing

  # Names that begin with _ or . are not data: docs/batch.md. The output is below a prefix with the name of the file.
  source_contents = jsonencode({
    main = {
      params = ["event"]
      steps = [
        { file = { assign = [{ file = "$${event.data.message.attributes.objectId}" }] } },
        { look = {
          switch = [{ condition = "$${text.match_regex(file, \"(^|/)[^_./][^/]*[.](parquet|csv|json|jsonl)$\")}", next = "start" }]
          next   = "end"
        } },
        { start = {
          try = {
            call = "http.post"
            args = {
              url  = local._start[each.key]
              auth = { type = "OAuth2" }
              body = { overrides = { containerOverrides = [{
                args = concat(["score", each.value.model, "--input", "$${\"gs://${each.value.from[0]}/\" + file}", "--output", "$${\"${each.value.output}\" + file + \"/\"}"], local._options[each.key])
              }] } }
            }
          }
          retry = "$${http.default_retry_non_idempotent}"
        } },
      ]
    }
  })

  depends_on = [google_cloud_run_v2_job_iam_member.start_runs, google_kms_crypto_key_iam_member.this]
}

resource "google_eventarc_trigger" "arrival" {
  for_each        = local._arriving
  name            = "${each.value.job}-arrival"
  location        = var.region
  service_account = google_service_account.this["start"].email

  matching_criteria {
    attribute = "type"
    value     = "google.cloud.pubsub.topic.v1.messagePublished"
  }

  destination {
    workflow = google_workflows_workflow.arrival[each.key].id
  }

  transport {
    pubsub {
      topic = google_pubsub_topic.arrivals[each.key].id
    }
  }

  depends_on = [google_project_iam_member.this]
}
