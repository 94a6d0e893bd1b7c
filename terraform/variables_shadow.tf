variable "shadow" {
  description = "A challenger that answers beside the model, and what differs: its alias, its name (null is the model's), the percentage of answers that is compared, and how far two numbers may be apart: docs/shadow.md. null for none."
  type = object({
    alias     = optional(string, "challenger")
    name      = optional(string)
    percent   = optional(number, 10)
    tolerance = optional(number, 0.000001)
  })
  default = null

  # What functions/modelserve/store/names/locations.py takes.
  validation {
    condition     = var.shadow == null ? true : can(regex("^[A-Za-z0-9_-]{1,255}$", var.shadow.alias)) && !can(regex("^(?i:v?[0-9]+|latest)$", var.shadow.alias))
    error_message = "shadow.alias must be an alias such as challenger: letters, digits, _ and -, and neither a number, nor v and a number, nor latest."
  }

  validation {
    condition     = var.shadow == null ? true : var.shadow.name == null ? true : can(regex("^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$", var.shadow.name))
    error_message = "shadow.name must be the name of a model of this store, which is what the functions may read: letters, digits, _, . and -."
  }

  validation {
    condition     = var.shadow == null ? true : var.shadow.alias != var.model.alias || coalesce(var.shadow.name, var.model.name) != var.model.name
    error_message = "shadow must name another alias or another model than model does: a model that is compared with itself never differs."
  }

  validation {
    condition     = var.shadow == null ? true : var.shadow.percent >= 0 && var.shadow.percent <= 100
    error_message = "shadow.percent must be 0 to 100, such as 10."
  }

  validation {
    condition     = var.shadow == null ? true : var.shadow.tolerance >= 0 && var.shadow.tolerance <= 1
    error_message = "shadow.tolerance must be 0 to 1, such as 0.000001."
  }

  # https://cloud.google.com/run/docs/configuring/services/cpu has the most memory for each number of processors.
  validation {
    condition = var.shadow == null ? true : alltrue([for one in [var.predict, var.predict_event] :
      2 * try(regex("^[0-9]+", one.memory), 0) * (endswith(one.memory, "Gi") ? 1024 : 1) <= (tonumber(one.cpu) >= 1 ? 4096 * one.cpu : tonumber(one.cpu) >= 0.5 ? 1024 : 512)
    ])
    error_message = "With shadow an instance gets twice the memory, and Cloud Run gives at most 4Gi for each processor (1Gi below one, 512Mi below a half): raise predict.cpu or predict_event.cpu, or lower that function's memory."
  }
}
