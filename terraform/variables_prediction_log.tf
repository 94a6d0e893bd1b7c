variable "prediction_log" {
  description = "A BigQuery table of inputs and answers of each model: the percentage of requests that is logged, columns that are left out, and how many days a row is kept (null for ever): docs/monitoring.md. null for none."
  type = object({
    expiration_days = optional(number, 90)
    percent         = optional(number, 100)
    without         = optional(list(string), [])
  })
  default = null

  validation {
    condition     = var.prediction_log == null ? true : var.prediction_log.expiration_days == null ? true : var.prediction_log.expiration_days >= 1
    error_message = "prediction_log.expiration_days must be at least 1, or null to keep rows for ever."
  }

  validation {
    condition     = var.prediction_log == null ? true : var.prediction_log.percent >= 0 && var.prediction_log.percent <= 100
    error_message = "prediction_log.percent must be 0 to 100, such as 10."
  }

  validation {
    condition     = var.prediction_log == null ? true : alltrue([for column in var.prediction_log.without : can(regex("^[^,]+$", column))])
    error_message = "Each of prediction_log.without must be the name of a column, without a comma."
  }

  validation {
    condition     = var.prediction_log == null || contains(var.parts, "tables")
    error_message = "prediction_log needs tables among parts: it uses their dataset, and the dead letters of events."
  }

  validation {
    condition = var.prediction_log == null ? true : length(setintersection(["LOG_PERCENT", "LOG_TOPIC", "LOG_WITHOUT"], flatten([
      for function in concat([var.predict, var.predict_event], values(var.models)[*].predict, values(var.models)[*].predict_event) : keys(coalesce(function.environment, {}))
    ]))) == 0
    error_message = "With prediction_log, environment must not name LOG_PERCENT, LOG_TOPIC or LOG_WITHOUT."
  }
}
