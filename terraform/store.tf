locals {
  buckets = merge({
    models = { versioning = true, expire_days = null }
    source = { versioning = true, expire_days = null }
    }, {
    for prefix in keys(local._event_models) : "${prefix}results" => { versioning = false, expire_days = var.store.results_days }
    }, length(local._dataflow) == 0 ? {} : {
    temp = { versioning = false, expire_days = 14 } # what Dataflow stages; a job runs for at most ten days
  })
}

# models: an alias that is overwritten by mistake, and a version that is
# deleted by mistake, can both be brought back.
resource "google_storage_bucket" "this" {
  for_each                    = local.buckets
  name                        = "${var.project_id}-${var.name}-${each.key}"
  location                    = coalesce(var.store.location, var.region)
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = !var.deletion_protection

  versioning {
    enabled = each.value.versioning
  }

  soft_delete_policy {
    retention_duration_seconds = each.key == "temp" ? 0 : var.store.soft_delete_days * 86400
  }

  dynamic "lifecycle_rule" {
    for_each = each.value.versioning ? [1] : []
    content {
      action {
        type = "Delete"
      }
      condition {
        days_since_noncurrent_time = var.store.noncurrent_days
        with_state                 = "ARCHIVED"
      }
    }
  }

  dynamic "lifecycle_rule" {
    for_each = each.value.expire_days == null ? [] : [1]
    content {
      action {
        type = "Delete"
      }
      condition {
        age = each.value.expire_days
      }
    }
  }

  lifecycle_rule {
    action {
      type = "AbortIncompleteMultipartUpload"
    }
    condition {
      age = 7
    }
  }

  dynamic "encryption" {
    for_each = var.kms_key == null ? [] : [1]
    content {
      default_kms_key_name = var.kms_key
    }
  }

  depends_on = [google_kms_crypto_key_iam_member.this]
}

# The name carries the hash of the content, so new code is a new object and a
# new revision: https://github.com/hashicorp/terraform-provider-google/issues/1938
resource "google_storage_bucket_object" "source" {
  bucket = google_storage_bucket.this["source"].name
  name   = basename(var.source_archive)
  source = var.source_archive

  # The same archive at another path is a replacement, too: uploaded over
  # itself, and then deleted while it is served, if it were not left alone.
  deletion_policy = "ABANDON"

  lifecycle {
    create_before_destroy = true
  }
}

locals {
  # An artifact's own path may have aliases/ in it, too.
  _alias_objects = {
    title      = "aliases only"
    expression = "resource.name.extract(\"/objects/models/{name}/aliases/\") != \"\" && resource.name.extract(\"/objects/models/{name}/versions/\") == \"\""
  }
  _objects = "projects/_/buckets/${google_storage_bucket.this["models"].name}/objects"
  _model_objects = {
    title      = "models only"
    expression = "resource.name.startsWith(\"${local._objects}/models/\")"
  }
  _release_objects = {
    title      = "releases only"
    expression = "resource.name.startsWith(\"${local._objects}/releases/\")"
  }
  # Not the record of a rollout: whoever resumes one runs the command that stands there.
  _version_release_objects = {
    title      = "releases of versions only"
    expression = "resource.name.startsWith(\"${local._objects}/releases/models/\")"
  }

  store_grants = {
    "models/batch/roles/storage.objectViewer"     = null
    "models/console/roles/storage.objectViewer"   = null
    "models/dataflow/roles/storage.objectViewer"  = null
    "models/deploy/roles/storage.objectUser"      = local._alias_objects
    "models/deploy/roles/storage.objectUser/2"    = local._release_objects
    "models/deploy/roles/storage.objectViewer"    = null
    "models/event/roles/storage.objectViewer"     = null
    "models/http/roles/storage.objectViewer"      = null
    "models/retrain/roles/storage.objectCreator"  = local._model_objects
    "models/retrain/roles/storage.objectUser"     = local._alias_objects
    "models/retrain/roles/storage.objectUser/2"   = local._version_release_objects
    "models/retrain/roles/storage.objectViewer"   = null
    "results/event/roles/storage.objectCreator"   = null
    "results/event/roles/storage.objectViewer"    = null
    "source/build/roles/storage.objectViewer"     = null
    "source/deploy/roles/storage.objectUser"      = null # the same archive at another path is uploaded over itself
    "temp/batch/roles/storage.legacyBucketReader" = null # Beam asks for the bucket before it writes
    "temp/batch/roles/storage.objectUser"         = null
    "temp/dataflow/roles/storage.objectUser"      = null
  }

  # The functions of `models` may do in their own bucket of results what those of `model` may do in theirs.
  _more_grants = merge([for key in keys(var.models) : {
    for grant, condition in local.store_grants : replace(replace(grant, "/^results/", "${key}-results"), "//(event|http)//", "/${key}-$1/") => condition if can(regex("/(event|http)/", grant))
  }]...)
}

# Versions are created and read; only an alias may be overwritten, and the
# record of a rollout or a release.
resource "google_storage_bucket_iam_member" "this" {
  for_each = { for key, condition in merge(local.store_grants, local._more_grants) : key => condition if contains(keys(local.identities), split("/", key)[1]) && contains(keys(local.buckets), split("/", key)[0]) }
  bucket   = google_storage_bucket.this[split("/", each.key)[0]].name
  role     = join("/", slice(split("/", each.key), 2, 4))
  member   = local.members[split("/", each.key)[1]]

  dynamic "condition" {
    for_each = each.value == null ? [] : [each.value]
    content {
      title      = condition.value.title
      expression = condition.value.expression
    }
  }
}
