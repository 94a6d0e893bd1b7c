# Batches on Dataflow: the job of Cloud Run hands the parts to workers, which are machines with an account of their own:
# docs/batch-scheduled.md.
locals {
  _dataflow = { for key, one in local.batches : key => one if one.dataflow != null }

  _dataflow_options = { for key, one in local._dataflow : key => concat(
    ["--runner", "DataflowRunner", "--project", var.project_id, "--region", var.region],
    ["--temp-location", "gs://${google_storage_bucket.this["temp"].name}/${key}", "--container-image", var.beam_image],
    flatten([for option in concat(
      [for name, value in merge(local.labels, { batch = key }) : "labels=${name}=${value}"],
      [
        "max_num_workers=${one.dataflow.max_workers}",
        "no_use_public_ips",
        "service_account_email=${google_service_account.this["dataflow"].email}",
        "subnetwork=${one.dataflow.subnetwork}",
      ],
      var.kms_key == null ? [] : ["dataflow_kms_key=${var.kms_key}"],
    ) : ["--beam", option]])
  ) }

  # Location, project and repository of the workers' image.
  _beam_repository = { for image in length(local._dataflow) == 0 ? [] : [var.beam_image] : "images" => regex("^(.+)-docker\\.pkg\\.dev/([^/]+)/([^/]+)/", image) }
}

resource "google_service_account_iam_member" "batch_acts_as" {
  count              = length(local._dataflow) == 0 ? 0 : 1
  service_account_id = google_service_account.this["dataflow"].name
  role               = "roles/iam.serviceAccountUser"
  member             = local.members.batch
}

# A worker pulls its image as itself.
resource "google_artifact_registry_repository_iam_member" "dataflow_pulls" {
  for_each   = local._beam_repository
  location   = each.value[0]
  project    = each.value[1]
  repository = each.value[2]
  role       = "roles/artifactregistry.reader"
  member     = local.members.dataflow
  depends_on = [google_artifact_registry_repository.this]
}

resource "google_storage_bucket_iam_member" "dataflow_reads" {
  for_each = toset(flatten([for one in local._dataflow : [one.from[0], one.to[0]]]))
  bucket   = each.key
  role     = "roles/storage.objectViewer"
  member   = local.members.dataflow
}

resource "google_storage_bucket_iam_member" "dataflow_writes" {
  for_each = { for one in local._dataflow : join("/", one.to) => one.to... }
  bucket   = each.value[0][0]
  role     = "roles/storage.objectUser"
  member   = local.members.dataflow

  condition {
    title      = "outputs below ${each.value[0][1]} only"
    expression = "resource.name.startsWith(${jsonencode("projects/_/buckets/${each.value[0][0]}/objects/${each.value[0][1]}")})"
  }
}
