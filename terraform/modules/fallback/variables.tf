variable "deletion_protection" {
  description = "Refuse to delete the cluster."
  type        = bool
}

variable "function_name" {
  description = "Name of the function that answers first, which is that of its Cloud Run service."
  type        = string
}

variable "images" {
  description = "Id of the repository from which the nodes pull."
  type        = string
}

variable "labels" {
  description = "Labels of the cluster."
  type        = map(string)
}

variable "manifests" {
  description = "The OCI artifact that the cluster pulls and runs, and the id of the repository that has it."
  type = object({
    artifact   = string
    repository = string
  })
}

variable "name" {
  description = "What the names of all resources begin with."
  type        = string
}

variable "origin_token" {
  description = "What the load balancer shows the Gateway."
  type        = string
  sensitive   = true
}

variable "project_id" {
  description = "The project's id."
  type        = string
}

variable "region" {
  description = "The region of the cluster and of the function."
  type        = string
}

variable "settings" {
  description = "The root's variable fallback."
  type = object({
    domain              = string
    origin_domain       = string
    release_channel     = string
    requests_per_minute = optional(number)
  })
}
