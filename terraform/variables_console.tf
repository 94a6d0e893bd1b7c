variable "console" {
  description = "`modelserve console` on Cloud Run behind Identity-Aware Proxy, read-only: members who may see it, further arguments, processors and memory: docs/console-cloud.md. null for none."
  type = object({
    arguments = optional(list(string), [])
    cpu       = optional(string, "1")
    members   = list(string)
    memory    = optional(string, "2Gi")
  })
  default = null

  validation {
    condition     = var.console == null ? true : length(var.console.members) > 0 && alltrue([for member in var.console.members : can(regex("^(user|group|serviceAccount|domain|principal|principalSet):", member))])
    error_message = "console.members must be one or more members such as group:team@example.com, not allUsers."
  }

  validation {
    condition     = var.console == null ? true : length(setintersection(var.console.arguments, ["--write", "--host", "--port", "--origin", "--store"])) == 0
    error_message = "console.arguments must not have --write, because the history would name the console, not the person, nor --host, --port, --origin and --store, which Terraform sets."
  }

  # https://cloud.google.com/run/docs/configuring/services/memory-limits
  validation {
    condition     = var.console == null ? true : contains(["1", "2", "4", "6", "8"], var.console.cpu) && try(regex("^[0-9]+", var.console.memory) * (endswith(var.console.memory, "Gi") ? 1024 : 1) <= 4096 * var.console.cpu, false) && can(regex("^[0-9]+(Mi|Gi)$", var.console.memory))
    error_message = "console.cpu must be 1, 2, 4, 6 or 8, and console.memory a size such as 2Gi, at most 4Gi for each."
  }

  validation {
    condition     = var.console == null || var.control_image != null
    error_message = "console needs control_image, which has the modelserve command."
  }
}
