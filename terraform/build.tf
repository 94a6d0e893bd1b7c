# cloudbuild.yaml deploys; cloudbuild/ has what pull requests and schedules run. _JOB says which job it is.
locals {
  _approval = coalesce(var.deploy_needs_approval, var.environment == "prod")

  _on_push = var.repository == null ? {} : {
    deploy = { account = "deploy", approval = local._approval, pull_request = false }
    test   = { account = "test", approval = false, pull_request = true }
  }

  _on_message = var.repository == null ? {} : {
    drift   = { approval = false }
    retrain = { approval = local._approval }
  }

  _substitutions = {
    _ENV    = var.environment
    _NAME   = var.name
    _REGION = var.region
    _STORE  = "gs://${google_storage_bucket.this["models"].name}"
  }

  # A plan of the fallback needs its token, which is kept for the pipeline alone.
  _origin_token = var.repository != null && var.enable_gke_fallback ? toset(["origin-token"]) : toset([])
}

resource "google_cloudbuild_trigger" "push" {
  for_each           = local._on_push
  name               = "${var.name}-${each.key}"
  location           = var.region
  filename           = each.value.pull_request ? "cloudbuild/test.yaml" : "cloudbuild.yaml"
  service_account    = google_service_account.this[each.value.account].id
  substitutions      = merge(local._substitutions, { _JOB = each.key, _TOKEN = join("", [for one in google_secret_manager_secret.this : one.id]) })
  include_build_logs = "INCLUDE_BUILD_LOGS_WITH_STATUS"

  repository_event_config {
    repository = var.repository

    dynamic "pull_request" {
      for_each = each.value.pull_request ? [1] : []
      content {
        branch          = "^main$"
        comment_control = "COMMENTS_ENABLED_FOR_EXTERNAL_CONTRIBUTORS_ONLY"
      }
    }

    dynamic "push" {
      for_each = each.value.pull_request ? [] : [1]
      content {
        branch = "^main$"
      }
    }
  }

  approval_config {
    approval_required = each.value.approval
  }
}

# A message on the jobs topic names its job in an attribute.
resource "google_cloudbuild_trigger" "job" {
  for_each        = local._on_message
  name            = "${var.name}-${each.key}"
  location        = var.region
  service_account = google_service_account.this["retrain"].id
  filter          = "_ASKED == \"${each.key}\""
  substitutions = merge(local._substitutions, {
    _ASKED = "$(body.message.attributes.job)"
    _JOB   = each.key
  })

  pubsub_config {
    topic = google_pubsub_topic.jobs[0].id
  }

  source_to_build {
    repository = var.repository
    ref        = "refs/heads/main"
    repo_type  = "UNKNOWN" # a connected repository says itself what it is
  }

  git_file_source {
    path       = "cloudbuild/job.yaml"
    repository = var.repository
    revision   = "refs/heads/main"
    repo_type  = "UNKNOWN"
  }

  approval_config {
    approval_required = each.value.approval
  }
}

resource "google_secret_manager_secret" "this" {
  for_each  = local._origin_token
  secret_id = "${var.name}-${each.key}"

  replication {
    user_managed {
      replicas {
        location = var.region
      }
    }
  }
}

resource "google_secret_manager_secret_version" "this" {
  for_each    = google_secret_manager_secret.this
  secret      = each.value.id
  secret_data = var.fallback_origin_token
}

resource "google_secret_manager_secret_iam_member" "deploy_plans" {
  for_each  = google_secret_manager_secret.this
  secret_id = each.value.secret_id
  role      = "roles/secretmanager.secretAccessor"
  member    = local.members.deploy
}

resource "google_pubsub_topic" "jobs" {
  count                      = local.pipeline ? 1 : 0
  name                       = "${var.name}-jobs"
  message_retention_duration = "86400s"
  kms_key_name               = var.kms_key
  depends_on                 = [google_kms_crypto_key_iam_member.this]
}
