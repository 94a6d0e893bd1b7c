output "address" {
  description = "Address of the load balancer."
  value       = google_compute_global_address.this.address
}

output "backend_name" {
  description = "Name of the backend service of the cluster, which the alert on its traffic names."
  value       = google_compute_backend_service.gateway.name
}

output "cluster" {
  description = "Name of the cluster."
  value       = google_container_cluster.this.name
}

output "gateway_address" {
  description = "Address of the Gateway."
  value       = google_compute_global_address.gateway.address
}

output "gateway_address_name" {
  description = "Name of that address, which the Gateway takes as a NamedAddress."
  value       = google_compute_global_address.gateway.name
}

output "origin_policy" {
  description = "Name of the security policy that the Gateway's GCPBackendPolicy takes."
  value       = google_compute_security_policy.origin.name
}

output "url_map" {
  description = "Name of the URL map that shares requests out."
  value       = google_compute_url_map.this.name
}
