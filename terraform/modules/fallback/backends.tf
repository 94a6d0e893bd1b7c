# A serverless backend and another kind may not share a backend service, so
# there are two, and the URL map shares requests out between them.

resource "google_compute_region_network_endpoint_group" "function" {
  name                  = "${var.name}-predict"
  region                = var.region
  network_endpoint_type = "SERVERLESS"

  cloud_run {
    service = var.function_name
  }
}

resource "google_compute_backend_service" "function" {
  name                  = "${var.name}-predict"
  load_balancing_scheme = "EXTERNAL_MANAGED"
  protocol              = "HTTPS"
  security_policy       = google_compute_security_policy.edge.id

  backend {
    group = google_compute_region_network_endpoint_group.function.id
  }

  log_config {
    enable      = true
    sample_rate = 1
  }
}

# The cluster is reached through its Gateway, by name. The zonal endpoint
# groups of a Service would exist only after Kubernetes has made them, and a
# first apply would have to stop there.
resource "google_compute_global_address" "gateway" {
  name = "${var.name}-gateway"
}

resource "google_compute_global_network_endpoint_group" "gateway" {
  name                  = "${var.name}-gateway"
  network_endpoint_type = "INTERNET_FQDN_PORT"
}

resource "google_compute_global_network_endpoint" "gateway" {
  global_network_endpoint_group = google_compute_global_network_endpoint_group.gateway.name
  fqdn                          = var.settings.origin_domain
  port                          = 443
}

resource "google_compute_backend_service" "gateway" {
  name                  = "${var.name}-gateway"
  load_balancing_scheme = "EXTERNAL_MANAGED"
  protocol              = "HTTPS"
  security_policy       = google_compute_security_policy.edge.id

  custom_request_headers = [
    "Host: ${var.settings.origin_domain}",
    "X-Modelserve-Origin: ${var.origin_token}",
  ]

  backend {
    group = google_compute_global_network_endpoint_group.gateway.id
  }

  log_config {
    enable      = true
    sample_rate = 1
  }
}
