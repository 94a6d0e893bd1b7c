locals {
  # One place says which Python this project runs on.
  python_version = trimspace(file("${path.module}/../.python-version"))
  runtime        = "python${replace(local.python_version, ".", "")}"

  model_uri = "gs://${google_storage_bucket.this["models"].name}/models/${var.model.name}@${var.model.alias}"

  # Both functions get these, so both always serve the same version.
  _common_settings = {
    FUNCTION_USE_ASGI = "true"
    LOG_LEVEL         = var.log_level
    MODEL_TRUST       = var.model.trust
    MODEL_URI         = local.model_uri
    SOURCE_ARCHIVE    = basename(var.source_archive) # what a rollout asks a revision for
  }

  functions = merge({
    predict = merge(var.predict, {
      identity = "http"
      settings = {}
    })
    }, !local.events ? {} : {
    predict_event = merge(var.predict_event, {
      identity = "event"
      settings = {
        DEAD_LETTER_TOPIC = google_pubsub_topic.this["dead_letter"].id
        PREDICTIONS_TOPIC = google_pubsub_topic.this["predictions"].id
        RESULTS_BUCKET    = google_storage_bucket.this["results"].name
      }
    })
  })

  urls = { for key, one in google_cloudfunctions2_function.this : key => one.service_config[0].uri }
}

resource "google_cloudfunctions2_function" "this" {
  for_each     = local.functions
  name         = "${var.name}-${replace(each.key, "_", "-")}"
  location     = var.region
  description  = "Serves ${var.model.name}@${var.model.alias}"
  kms_key_name = var.kms_key

  build_config {
    runtime           = local.runtime
    entry_point       = each.key
    docker_repository = google_artifact_registry_repository.this["functions"].id
    service_account   = google_service_account.this["build"].id
    source {
      storage_source {
        bucket = google_storage_bucket.this["source"].name
        object = google_storage_bucket_object.source.name
      }
    }
  }

  service_config {
    available_cpu                    = each.value.cpu
    available_memory                 = join("", [local.models_in_memory * regex("^[0-9]+", each.value.memory), regex("[MG]i$", each.value.memory)])
    max_instance_request_concurrency = each.value.concurrency
    min_instance_count               = each.value.min_instances
    max_instance_count               = each.value.max_instances
    timeout_seconds                  = each.value.timeout_seconds
    ingress_settings                 = each.value.ingress
    all_traffic_on_latest_revision   = !coalesce(var.rollouts, var.repository != null)
    service_account_email            = google_service_account.this[each.value.identity].email
    environment_variables            = merge(each.value.environment, each.value.settings, local.shadow_settings, local._common_settings)
    binary_authorization_policy      = each.value.binary_authorization
    direct_vpc_egress                = each.value.vpc == null ? null : each.value.vpc.egress
    vpc_connector                    = each.value.connector
    vpc_connector_egress_settings    = each.value.connector == null ? null : "PRIVATE_RANGES_ONLY"

    dynamic "direct_vpc_network_interface" {
      for_each = each.value.vpc == null ? [] : [each.value.vpc]
      content {
        network    = direct_vpc_network_interface.value.network
        subnetwork = direct_vpc_network_interface.value.subnetwork
        tags       = direct_vpc_network_interface.value.tags
      }
    }

    dynamic "secret_volumes" {
      for_each = each.value.secret_files
      content {
        mount_path = dirname(secret_volumes.key)
        project_id = var.project_id
        secret     = secret_volumes.value.secret
        versions {
          path    = basename(secret_volumes.key)
          version = secret_volumes.value.version
        }
      }
    }

    dynamic "secret_environment_variables" {
      for_each = each.value.secrets
      content {
        key        = secret_environment_variables.key
        project_id = var.project_id
        secret     = secret_environment_variables.value.secret
        version    = secret_environment_variables.value.version
      }
    }
  }

  # A build needs its grants, and a first instance reads the store at once.
  depends_on = [time_sleep.grants]
}

locals {
  _secrets = merge([
    for function, one in local.functions : {
      for key, value in merge(one.secrets, one.secret_files) : "${function}/${key}" => { secret = value.secret, identity = one.identity }
    }
  ]...)
}

resource "google_secret_manager_secret_iam_member" "this" {
  for_each  = local._secrets
  secret_id = each.value.secret
  role      = "roles/secretmanager.secretAccessor"
  member    = local.members[each.value.identity]
}
