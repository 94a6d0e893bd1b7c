resource "google_compute_global_address" "this" {
  name = var.name
}

resource "google_compute_url_map" "this" {
  name = var.name

  # Weighted backends need the scheme EXTERNAL_MANAGED everywhere:
  # hashicorp/terraform-provider-google#8307.
  default_route_action {
    weighted_backend_services {
      backend_service = google_compute_backend_service.function.id
      weight          = 100
    }
    weighted_backend_services {
      backend_service = google_compute_backend_service.gateway.id
      weight          = 0
    }
  }

  # From then on the weights belong to `modelserve failover`: an apply in the
  # middle of an outage must not send requests back to what is down.
  lifecycle {
    ignore_changes = [default_route_action]
  }
}

# A certificate in use cannot be replaced under its own name.
resource "google_compute_managed_ssl_certificate" "this" {
  name = "${var.name}-${substr(sha256(var.settings.domain), 0, 8)}"

  managed {
    domains = [var.settings.domain]
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "google_compute_ssl_policy" "this" {
  name            = var.name
  profile         = "MODERN"
  min_tls_version = "TLS_1_2"
}

resource "google_compute_target_https_proxy" "this" {
  name             = var.name
  url_map          = google_compute_url_map.this.id
  ssl_certificates = [google_compute_managed_ssl_certificate.this.id]
  ssl_policy       = google_compute_ssl_policy.this.id
}

resource "google_compute_global_forwarding_rule" "https" {
  name                  = "${var.name}-https"
  load_balancing_scheme = "EXTERNAL_MANAGED"
  ip_address            = google_compute_global_address.this.id
  port_range            = "443"
  target                = google_compute_target_https_proxy.this.id
}

# Whoever leaves out the s is sent to the same place with it; 308 keeps a POST a POST.
resource "google_compute_url_map" "redirect" {
  name = "${var.name}-redirect"

  default_url_redirect {
    https_redirect         = true
    redirect_response_code = "PERMANENT_REDIRECT"
    strip_query            = false
  }
}

resource "google_compute_target_http_proxy" "redirect" {
  name    = "${var.name}-redirect"
  url_map = google_compute_url_map.redirect.id
}

resource "google_compute_global_forwarding_rule" "http" {
  name                  = "${var.name}-http"
  load_balancing_scheme = "EXTERNAL_MANAGED"
  ip_address            = google_compute_global_address.this.id
  port_range            = "80"
  target                = google_compute_target_http_proxy.redirect.id
}
