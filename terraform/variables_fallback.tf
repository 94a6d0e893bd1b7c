variable "enable_gke_fallback" {
  description = "Make a GKE cluster that can answer instead of predict, and the load balancer in front of both."
  type        = bool
  default     = false
}

variable "fallback" {
  description = "The load balancer's domain, the domain of the cluster's Gateway, the cluster's release channel, and requests a minute from one address (null for any)."
  type = object({
    domain              = string
    origin_domain       = string
    release_channel     = optional(string, "REGULAR")
    requests_per_minute = optional(number)
  })
  default = null

  validation {
    condition     = !var.enable_gke_fallback || var.fallback != null
    error_message = "enable_gke_fallback = true needs fallback = { domain, origin_domain }."
  }

  validation {
    condition     = var.fallback == null ? true : alltrue([for domain in [var.fallback.domain, var.fallback.origin_domain] : can(regex("^([a-z0-9-]+\\.)+[a-z]{2,}$", domain))]) && var.fallback.domain != var.fallback.origin_domain
    error_message = "fallback.domain and fallback.origin_domain must be two different domains, such as predict.example.com and gke.example.com."
  }

  validation {
    condition     = var.fallback == null ? true : contains(["RAPID", "REGULAR", "STABLE"], var.fallback.release_channel)
    error_message = "fallback.release_channel must be RAPID, REGULAR or STABLE."
  }

  validation {
    condition     = var.fallback == null ? true : var.fallback.requests_per_minute == null ? true : var.fallback.requests_per_minute >= 1
    error_message = "fallback.requests_per_minute must be at least 1, or null for no limit."
  }
}

variable "fallback_origin_token" {
  description = "What the load balancer shows the Gateway, so that nobody goes around it: 32 or more letters and digits. It is in the state."
  type        = string
  default     = null
  sensitive   = true

  validation {
    condition     = !var.enable_gke_fallback || can(regex("^[A-Za-z0-9]{32,}$", var.fallback_origin_token))
    error_message = "enable_gke_fallback = true needs fallback_origin_token, 32 or more letters and digits: openssl rand -hex 32."
  }
}
