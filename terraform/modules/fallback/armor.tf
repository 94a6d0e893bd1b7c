# In front of the load balancer: everybody, within a limit when there is one.
resource "google_compute_security_policy" "edge" {
  name        = "${var.name}-edge"
  description = "In front of the load balancer"

  dynamic "rule" {
    for_each = var.settings.requests_per_minute == null ? [] : [var.settings.requests_per_minute]
    content {
      priority    = 1000
      action      = "throttle"
      description = "No address asks more than this in a minute"

      match {
        versioned_expr = "SRC_IPS_V1"
        config {
          src_ip_ranges = ["*"]
        }
      }

      rate_limit_options {
        conform_action = "allow"
        exceed_action  = "deny(429)"
        enforce_on_key = "IP"
        rate_limit_threshold {
          count        = rule.value
          interval_sec = 60
        }
      }
    }
  }

  rule {
    priority    = 2147483647
    action      = "allow"
    description = "The default: callers are checked by Cloud Run and by the Gateway"
    match {
      versioned_expr = "SRC_IPS_V1"
      config {
        src_ip_ranges = ["*"]
      }
    }
  }
}

# In front of the Gateway (GCPBackendPolicy names it): only the load balancer.
resource "google_compute_security_policy" "origin" {
  name        = "${var.name}-origin"
  description = "In front of the Gateway"

  rule {
    priority    = 1000
    action      = "allow"
    description = "The load balancer shows the token"
    match {
      expr {
        expression = "request.headers['x-modelserve-origin'] == '${var.origin_token}'"
      }
    }
  }

  rule {
    priority    = 2147483647
    action      = "deny(403)"
    description = "The default: nobody else"
    match {
      versioned_expr = "SRC_IPS_V1"
      config {
        src_ip_ranges = ["*"]
      }
    }
  }
}
