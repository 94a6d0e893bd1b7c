output "init_command" {
  description = "Says where the state of terraform/ is kept."
  value       = "terraform -chdir=terraform init -backend-config=bucket=${google_storage_bucket.state.name} -backend-config=prefix=modelserve"
}
