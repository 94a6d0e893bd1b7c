locals {
  # One place says which Python this project runs on.
  python_version = trimspace(file("${path.module}/../.python-version"))
  runtime        = "python${replace(local.python_version, ".", "")}"

  # Each entry point of functions/main.py that is deployed, and the account that runs it.
  entry_points = merge({
    predict = "http"
    }, !local.events ? {} : {
    predict_event = "event"
  })

  # All functions of a model get these, so that they always serve the same version.
  _common_settings = { for prefix, one in local.models : prefix => {
    FUNCTION_USE_ASGI = "true"
    LOG_LEVEL         = var.log_level
    MODEL_TRUST       = one.trust
    MODEL_URI         = "gs://${google_storage_bucket.this["models"].name}/models/${one.name}@${one.alias}"
    SOURCE_ARCHIVE    = basename(var.source_archive) # what a rollout asks a revision for
  } }

  _event_settings = { for prefix, one in local._event_models : prefix => {
    DEAD_LETTER_TOPIC = google_pubsub_topic.this["${prefix}dead_letter"].id
    PREDICTIONS_TOPIC = google_pubsub_topic.this["${prefix}predictions"].id
    RESULTS_BUCKET    = google_storage_bucket.this["${prefix}results"].name
  } }

  functions = merge([for prefix, one in local.models : {
    for entry_point, account in local.entry_points : "${prefix}${entry_point}" => merge(one[entry_point], {
      entry_point = entry_point
      identity    = "${prefix}${account}"
      prefix      = prefix
      serves      = "${one.name}@${one.alias}"
      settings = merge(
        entry_point == "predict_event" ? local._event_settings[prefix] : {},
        prefix == "" ? local.shadow_settings : {},
        lookup(local.log_settings, prefix, {}),
        local._common_settings[prefix],
      )
    })
  }]...)

  urls = { for key, one in google_cloudfunctions2_function.this : key => one.service_config[0].uri }
}

resource "google_cloudfunctions2_function" "this" {
  for_each     = local.functions
  name         = "${var.name}-${replace(each.key, "_", "-")}"
  location     = var.region
  description  = "Serves ${each.value.serves}"
  kms_key_name = var.kms_key

  build_config {
    runtime           = local.runtime
    entry_point       = each.value.entry_point
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
    available_memory                 = join("", [local.models_in_memory[each.value.prefix] * regex("^[0-9]+", each.value.memory), regex("[MG]i$", each.value.memory)])
    max_instance_request_concurrency = each.value.concurrency
    min_instance_count               = each.value.min_instances
    max_instance_count               = each.value.max_instances
    timeout_seconds                  = each.value.timeout_seconds
    ingress_settings                 = each.value.ingress
    all_traffic_on_latest_revision   = !coalesce(var.rollouts, var.repository != null)
    service_account_email            = google_service_account.this[each.value.identity].email
    environment_variables            = merge(each.value.environment, each.value.settings)
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
