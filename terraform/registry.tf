locals {
  # Building a function moves tags, and so does a new rendering of the
  # manifests that the cluster pulls; an image for GKE never changes.
  repositories = merge({
    functions = { immutable_tags = false, description = "What Cloud Build makes of the functions" }
    }, !local.pipeline ? {} : {
    images    = { immutable_tags = true, description = "The image that runs on GKE" }
    manifests = { immutable_tags = false, description = "What the cluster runs, rendered" }
  })

  _registry = { for key, one in google_artifact_registry_repository.this : key => "${var.region}-docker.pkg.dev/${var.project_id}/${one.repository_id}" }
  image     = local.pipeline ? "${local._registry.images}/modelserve" : null
  manifests = local.pipeline ? "${local._registry.manifests}/manifests:${var.environment}" : null
}

resource "google_artifact_registry_repository" "this" {
  for_each               = local.repositories
  repository_id          = "${var.name}-${each.key}"
  location               = var.region
  format                 = "DOCKER"
  description            = each.value.description
  cleanup_policy_dry_run = false
  kms_key_name           = var.kms_key

  # The provider sends nothing for false, and the API then answers no block: each plan would differ.
  dynamic "docker_config" {
    for_each = each.value.immutable_tags ? [1] : []
    content {
      immutable_tags = true
    }
  }

  cleanup_policies {
    id     = "keep-recent"
    action = "KEEP"
    most_recent_versions {
      keep_count = var.images_kept
    }
  }

  cleanup_policies {
    id     = "delete-old"
    action = "DELETE"
    condition {
      tag_state  = "ANY"
      older_than = "${30 * 86400}s"
    }
  }

  depends_on = [google_kms_crypto_key_iam_member.this]
}

resource "google_artifact_registry_repository_iam_member" "build_writes" {
  repository = google_artifact_registry_repository.this["functions"].name
  location   = var.region
  role       = "roles/artifactregistry.writer"
  member     = local.members.build
}

resource "google_artifact_registry_repository_iam_member" "deploy_writes" {
  for_each   = local.pipeline ? toset(["images", "manifests"]) : toset([])
  repository = google_artifact_registry_repository.this[each.key].name
  location   = var.region
  role       = "roles/artifactregistry.writer"
  member     = local.members.deploy
}
