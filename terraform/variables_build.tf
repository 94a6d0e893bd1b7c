variable "deploy_needs_approval" {
  description = "A person must approve each build that changes what is served; null asks for it in prod alone."
  type        = bool
  default     = null
}

variable "repository" {
  description = "A repository connected to Cloud Build, projects/P/locations/R/connections/C/repositories/N; null makes no triggers."
  type        = string
  default     = null

  validation {
    condition     = var.repository == null ? true : can(regex("^projects/[^/]+/locations/[^/]+/connections/[^/]+/repositories/[^/]+$", var.repository))
    error_message = "repository must be projects/P/locations/R/connections/C/repositories/N, of a connection made in the console."
  }
}

variable "rollouts" {
  description = "Leave the traffic alone: `modelserve rollout` decides which revision gets requests (docs/rollout.md). null: where there is a repository, whose pipeline rolls out."
  type        = bool
  default     = null
}

variable "schedules" {
  description = "When to run scripts/retrain and scripts/drift, which name an example until you change them (docs/pipeline.md), as cron in UTC; null for never."
  type = object({
    drift   = optional(string)
    retrain = optional(string)
  })
  default = {}

  validation {
    condition     = alltrue([for when in values(var.schedules) : when == null ? true : length(split(" ", when)) == 5])
    error_message = "Each of schedules must be five fields of cron, such as 0 6 * * *."
  }
}
