variable "delivery" {
  description = "How Pub/Sub delivers events: push to predict_event, or pull, which the worker on GKE does; ack deadline and backoff in seconds (the deadline of null is the function's timeout), and attempts before the dead letter topic."
  type = object({
    ack_deadline_seconds    = optional(number)
    max_attempts            = optional(number, 10)
    maximum_backoff_seconds = optional(number, 600)
    minimum_backoff_seconds = optional(number, 10)
    mode                    = optional(string, "push")
  })
  default = {}

  validation {
    condition     = var.delivery.ack_deadline_seconds == null ? true : var.delivery.ack_deadline_seconds >= 10 && var.delivery.ack_deadline_seconds <= 600
    error_message = "delivery.ack_deadline_seconds must be 10 to 600."
  }

  validation {
    condition     = var.delivery.ack_deadline_seconds == null ? true : var.delivery.ack_deadline_seconds >= var.predict_event.timeout_seconds
    error_message = "delivery.ack_deadline_seconds must be at least predict_event.timeout_seconds, or a message is delivered twice."
  }

  validation {
    condition = var.delivery.ack_deadline_seconds == null ? true : alltrue([for one in values(var.models) :
      var.delivery.ack_deadline_seconds >= coalesce(one.predict_event.timeout_seconds, 1)
    ])
    error_message = "delivery.ack_deadline_seconds must be at least the predict_event.timeout_seconds of each of models, or a message is delivered twice."
  }

  validation {
    condition     = var.delivery.max_attempts >= 5 && var.delivery.max_attempts <= 100
    error_message = "delivery.max_attempts must be 5 to 100."
  }

  validation {
    condition     = var.delivery.minimum_backoff_seconds >= 0 && var.delivery.minimum_backoff_seconds <= var.delivery.maximum_backoff_seconds && var.delivery.maximum_backoff_seconds <= 600
    error_message = "delivery.minimum_backoff_seconds must be at most delivery.maximum_backoff_seconds, and that at most 600."
  }

  validation {
    condition     = contains(["push", "pull"], var.delivery.mode)
    error_message = "delivery.mode must be push or pull."
  }

  validation {
    condition     = var.delivery.mode == "push" || var.enable_gke_fallback
    error_message = "delivery.mode may be pull only with enable_gke_fallback = true: nothing else pulls."
  }
}

variable "input_schema" {
  description = "Avro schema of input messages, as `modelserve schema` prints it; null takes any message."
  type        = string
  default     = null

  validation {
    condition     = var.input_schema == null ? true : try(jsondecode(var.input_schema).type == "record", false)
    error_message = "input_schema must be the text of an Avro record, as `modelserve schema` prints it, not its path."
  }
}

variable "producers" {
  description = "Who may publish events to the input topic."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for member in var.producers : can(regex("^(user|group|serviceAccount|domain|principal|principalSet):", member))])
    error_message = "Each of producers must be a named member such as serviceAccount:app@project.iam.gserviceaccount.com."
  }
}

variable "retention_days" {
  description = "How many days each topic keeps its messages."
  type = object({
    dead_letter    = optional(number, 31)
    input          = optional(number, 7)
    prediction_log = optional(number, 1)
    predictions    = optional(number, 7)
    shadow         = optional(number, 1)
  })
  default = {}

  validation {
    condition     = alltrue([for days in values(var.retention_days) : days >= 1 && days <= 31])
    error_message = "Each of retention_days must be 1 to 31."
  }
}

variable "store" {
  description = "The buckets: their location (null is the region), and how many days deleted, overwritten and result objects are kept."
  type = object({
    location         = optional(string)
    noncurrent_days  = optional(number, 30)
    results_days     = optional(number, 90)
    soft_delete_days = optional(number, 7)
  })
  default = {}

  validation {
    condition     = var.store.noncurrent_days >= 1 && var.store.results_days >= 1
    error_message = "store.noncurrent_days and store.results_days must be at least 1."
  }

  validation {
    condition     = var.store.soft_delete_days == 0 || (var.store.soft_delete_days >= 7 && var.store.soft_delete_days <= 90)
    error_message = "store.soft_delete_days must be 0, or 7 to 90."
  }
}

variable "tables" {
  description = "The BigQuery tables: their location (null is the region), and how many days a row is kept (null for ever)."
  type = object({
    expiration_days = optional(number)
    location        = optional(string)
  })
  default = {}

  validation {
    condition     = var.tables.expiration_days == null ? true : var.tables.expiration_days >= 1
    error_message = "tables.expiration_days must be at least 1, or null to keep rows for ever."
  }
}
