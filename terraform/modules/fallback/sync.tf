# The cluster pulls what it runs: the rendered overlay of kubernetes/, which
# the pipeline pushes as an OCI artifact. Nobody runs kubectl, and what is
# changed by hand is put back. A project has this feature once.
resource "google_gke_hub_membership" "this" {
  membership_id = google_container_cluster.this.name
  location      = var.region

  endpoint {
    gke_cluster {
      resource_link = "//container.googleapis.com/${google_container_cluster.this.id}"
    }
  }
}

resource "google_gke_hub_feature" "config_sync" {
  name     = "configmanagement"
  location = "global"
}

resource "google_gke_hub_feature_membership" "this" {
  location            = "global"
  feature             = google_gke_hub_feature.config_sync.name
  membership          = google_gke_hub_membership.this.membership_id
  membership_location = google_gke_hub_membership.this.location

  configmanagement {
    management = "MANAGEMENT_AUTOMATIC"

    config_sync {
      enabled       = true
      source_format = "unstructured"

      oci {
        sync_repo                 = var.manifests.artifact
        policy_dir                = "."
        secret_type               = "gcpserviceaccount"
        gcp_service_account_email = google_service_account.sync.email
      }
    }
  }

  depends_on = [
    google_artifact_registry_repository_iam_member.sync_reads,
    google_service_account_iam_member.sync,
  ]
}

resource "google_service_account" "sync" {
  account_id   = "${var.name}-sync"
  display_name = "${var.name} sync"
  description  = "Pulls the manifests that the fallback cluster runs"
}

resource "google_artifact_registry_repository_iam_member" "sync_reads" {
  repository = var.manifests.repository
  location   = var.region
  role       = "roles/artifactregistry.reader"
  member     = google_service_account.sync.member
}

# The fleet's API takes an account of Google for an OCI artifact, and no
# Kubernetes account yet; Config Sync's own, of this name, acts as it.
resource "google_service_account_iam_member" "sync" {
  service_account_id = google_service_account.sync.name
  role               = "roles/iam.workloadIdentityUser"
  member             = "serviceAccount:${var.project_id}.svc.id.goog[config-management-system/root-reconciler]"
  depends_on         = [google_container_cluster.this] # the pool of identities comes with the first cluster
}
