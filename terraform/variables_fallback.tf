variable "enable_gke_fallback" {
  description = "Make a GKE cluster that can answer instead of predict, and the load balancer in front of both."
  type        = bool
  default     = false
}
