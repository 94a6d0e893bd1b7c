resource "google_compute_network" "this" {
  name                    = "${var.name}-fallback"
  auto_create_subnetworks = false
}

# Private nodes reach Google's APIs through the subnetwork, and nothing else.
resource "google_compute_subnetwork" "this" {
  name                     = "${var.name}-fallback"
  region                   = var.region
  network                  = google_compute_network.this.id
  ip_cidr_range            = "10.64.0.0/22"
  private_ip_google_access = true

  secondary_ip_range {
    range_name    = "pods"
    ip_cidr_range = "10.68.0.0/16"
  }

  secondary_ip_range {
    range_name    = "services"
    ip_cidr_range = "10.65.0.0/20"
  }

  log_config {
    flow_sampling = 0.1
  }
}

resource "google_service_account" "nodes" {
  account_id   = "${var.name}-nodes"
  display_name = "${var.name} nodes"
  description  = "Runs the nodes of the fallback cluster; pods have identities of their own"
}

# The role a node needs exists only on the project.
resource "google_project_iam_member" "nodes" {
  project = var.project_id
  role    = "roles/container.defaultNodeServiceAccount"
  member  = google_service_account.nodes.member
}

resource "google_artifact_registry_repository_iam_member" "nodes_pull" {
  repository = var.images
  location   = var.region
  role       = "roles/artifactregistry.reader"
  member     = google_service_account.nodes.member
}

resource "google_container_cluster" "this" {
  name                = "${var.name}-fallback"
  location            = var.region
  enable_autopilot    = true
  deletion_protection = var.deletion_protection
  network             = google_compute_network.this.id
  subnetwork          = google_compute_subnetwork.this.id
  resource_labels     = var.labels

  # Nobody has a certificate; what the project's policy refuses does not run.
  master_auth {
    client_certificate_config {
      issue_client_certificate = false
    }
  }

  binary_authorization {
    evaluation_mode = "PROJECT_SINGLETON_POLICY_ENFORCE"
  }

  release_channel {
    channel = var.settings.release_channel
  }

  private_cluster_config {
    enable_private_nodes    = true
    enable_private_endpoint = true # what the API answers where the control plane has no address
  }

  # Reached by its DNS name with IAM; it has no address to attack.
  control_plane_endpoints_config {
    dns_endpoint_config {
      allow_external_traffic = true
    }
    ip_endpoints_config {
      enabled = false
    }
  }

  ip_allocation_policy {
    cluster_secondary_range_name  = "pods"
    services_secondary_range_name = "services"
  }

  gateway_api_config {
    channel = "CHANNEL_STANDARD"
  }

  cluster_autoscaling {
    auto_provisioning_defaults {
      service_account = google_service_account.nodes.email
      oauth_scopes    = ["https://www.googleapis.com/auth/cloud-platform"]
    }
  }

  depends_on = [
    google_artifact_registry_repository_iam_member.nodes_pull,
    google_project_iam_member.nodes,
  ]
}
