# What answers instead of predict: a cluster, and the load balancer that
# shares requests out. `modelserve failover` alone moves them.
module "fallback" {
  source = "./modules/fallback"
  count  = var.enable_gke_fallback ? 1 : 0

  deletion_protection = var.deletion_protection
  function_name       = google_cloudfunctions2_function.this["predict"].name
  images              = google_artifact_registry_repository.this["images"].name
  labels              = local.labels
  manifests           = { artifact = local.manifests, repository = google_artifact_registry_repository.this["manifests"].name }
  name                = var.name
  origin_token        = var.fallback_origin_token
  project_id          = var.project_id
  region              = var.region
  settings            = var.fallback
}

# The worker's pods are granted what the functions have, as themselves: no key,
# no service account of Google to borrow.
locals {
  _pods = "principal://iam.googleapis.com/projects/${data.google_project.this.number}/locations/global/workloadIdentityPools/${var.project_id}.svc.id.goog/subject/ns/modelserve/sa"

  pods = var.enable_gke_fallback ? {
    http   = "${local._pods}/http"
    worker = "${local._pods}/worker"
  } : {}

  _worker = var.enable_gke_fallback && local.events ? toset(["worker"]) : toset([])
}

resource "google_storage_bucket_iam_member" "pods_read" {
  for_each   = local.pods
  bucket     = google_storage_bucket.this["models"].name
  role       = "roles/storage.objectViewer"
  member     = each.value
  depends_on = [module.fallback] # the pool of identities comes with the first cluster
}

resource "google_storage_bucket_iam_member" "worker_keeps" {
  for_each   = var.enable_gke_fallback && local.events ? toset(["roles/storage.objectCreator", "roles/storage.objectViewer"]) : toset([])
  bucket     = google_storage_bucket.this["results"].name
  role       = each.key
  member     = local.pods.worker
  depends_on = [module.fallback]
}

resource "google_pubsub_topic_iam_member" "worker_publishes" {
  for_each   = var.enable_gke_fallback && local.events ? toset(["dead_letter", "predictions"]) : toset([])
  topic      = google_pubsub_topic.this[each.key].name
  role       = "roles/pubsub.publisher"
  member     = local.pods.worker
  depends_on = [module.fallback]
}

resource "google_pubsub_topic_iam_member" "pods_shadows_publish" {
  for_each   = var.shadow == null ? {} : local.pods
  topic      = google_pubsub_topic.this["shadow"].name
  role       = "roles/pubsub.publisher"
  member     = each.value
  depends_on = [module.fallback]
}

resource "google_pubsub_subscription_iam_member" "worker_pulls" {
  for_each     = local._worker
  subscription = google_pubsub_subscription.events["predict_event"].name
  role         = "roles/pubsub.subscriber"
  member       = local.pods.worker
  depends_on   = [module.fallback]

  lifecycle {
    replace_triggered_by = [google_pubsub_subscription.events["predict_event"].id]
  }
}
