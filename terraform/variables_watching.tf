variable "alerts" {
  description = "When to raise an alarm: share of 5xx answers, share of requests that the fallback answers, 95th percentiles in milliseconds, age of the oldest event in seconds, and hours without any prediction (null for never)."
  type = object({
    cold_start_milliseconds = optional(number, 10000)
    error_ratio             = optional(number, 0.05)
    fallback_ratio          = optional(number, 0.05)
    latency_milliseconds    = optional(number, 1000)
    oldest_event_seconds    = optional(number, 600)
    quiet_hours             = optional(number)
  })
  default = {}

  validation {
    condition     = alltrue([for share in [var.alerts.error_ratio, var.alerts.fallback_ratio] : share > 0 && share < 1])
    error_message = "alerts.error_ratio and alerts.fallback_ratio must be shares between 0 and 1, such as 0.05."
  }

  validation {
    condition     = var.alerts.latency_milliseconds > 0 && var.alerts.cold_start_milliseconds > 0 && var.alerts.oldest_event_seconds > 0
    error_message = "The times in alerts must be above 0."
  }

  validation {
    condition     = var.alerts.quiet_hours == null ? true : var.alerts.quiet_hours >= 1 && var.alerts.quiet_hours <= 23
    error_message = "alerts.quiet_hours must be 1 to 23: Monitoring looks no further back."
  }
}

variable "budget" {
  description = "What the project may cost in a month, in whole units of the billing account's currency; null sets no budget."
  type = object({
    amount          = number
    billing_account = string
    currency        = optional(string)
  })
  default = null

  validation {
    condition     = var.budget == null ? true : can(regex("^[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}$", var.budget.billing_account))
    error_message = "budget.billing_account must be an id such as 012345-6789AB-CDEF01."
  }

  validation {
    condition     = var.budget == null ? true : var.budget.amount >= 1 && floor(var.budget.amount) == var.budget.amount
    error_message = "budget.amount must be a whole number of at least 1."
  }
}

variable "notification_emails" {
  description = "Who gets an alarm by mail."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for address in var.notification_emails : can(regex("^[^@ ]+@[^@ ]+$", address))])
    error_message = "Each of notification_emails must be an address such as team@example.com."
  }
}
