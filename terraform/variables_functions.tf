variable "log_level" {
  description = "The least severe log line that the functions write."
  type        = string
  default     = "INFO"

  validation {
    condition     = contains(["DEBUG", "INFO", "WARNING", "ERROR"], var.log_level)
    error_message = "log_level must be DEBUG, INFO, WARNING or ERROR."
  }
}

variable "model" {
  description = "The model that both functions serve, the alias they follow, and what its files may do: docs/store.md."
  type = object({
    name  = string
    alias = optional(string, "champion")
    trust = optional(string, "strict")
  })

  validation {
    condition     = can(regex("^[A-Za-z0-9_][A-Za-z0-9_.-]*$", var.model.name)) && can(regex("^[A-Za-z0-9_][A-Za-z0-9_.-]*$", var.model.alias))
    error_message = "model.name and model.alias must be letters, digits, _, . and -, as they were published."
  }

  validation {
    condition     = contains(["strict", "pickle"], var.model.trust)
    error_message = "model.trust must be strict, or pickle: then whoever can write the models bucket may run code."
  }
}

variable "predict" {
  description = "The function predict: processors, memory, instances, timeout in seconds, ingress, and its own settings (docs/settings.md), secrets and network."
  type = object({
    binary_authorization = optional(string)
    concurrency          = optional(number, 80)
    connector            = optional(string)
    cpu                  = optional(string, "1")
    environment          = optional(map(string), {})
    ingress              = optional(string, "ALLOW_ALL")
    max_instances        = optional(number, 20)
    memory               = optional(string, "1Gi")
    min_instances        = optional(number, 0)
    secret_files         = optional(map(object({ secret = string, version = optional(string, "latest") })), {})
    secrets              = optional(map(object({ secret = string, version = optional(string, "latest") })), {})
    timeout_seconds      = optional(number, 60)
    vpc = optional(object({
      network    = string
      subnetwork = string
      egress     = optional(string, "VPC_EGRESS_PRIVATE_RANGES_ONLY")
      tags       = optional(list(string), [])
    }))
  })
  default = {}

  validation {
    condition     = var.predict.concurrency >= 1 && var.predict.concurrency <= 1000 && (var.predict.concurrency == 1 || tonumber(var.predict.cpu) >= 1)
    error_message = "predict.concurrency must be 1 to 1000, and 1 on less than one processor."
  }

  validation {
    condition     = contains(["ALLOW_ALL", "ALLOW_INTERNAL_ONLY", "ALLOW_INTERNAL_AND_GCLB"], var.predict.ingress)
    error_message = "predict.ingress must be ALLOW_ALL, ALLOW_INTERNAL_ONLY or ALLOW_INTERNAL_AND_GCLB."
  }

  validation {
    condition     = var.predict.min_instances >= 0 && var.predict.max_instances >= max(1, var.predict.min_instances)
    error_message = "predict.max_instances must be at least 1 and at least predict.min_instances."
  }

  validation {
    condition     = can(regex("^[0-9]+(Mi|Gi)$", var.predict.memory))
    error_message = "predict.memory must be a size such as 512Mi or 2Gi."
  }

  validation {
    condition     = var.predict.timeout_seconds >= 1 && var.predict.timeout_seconds <= 3600
    error_message = "predict.timeout_seconds must be 1 to 3600."
  }

  validation {
    condition     = length(setintersection(keys(var.predict.environment), ["FUNCTION_USE_ASGI", "LOG_LEVEL", "MODEL_TRUST", "MODEL_URI", "SOURCE_ARCHIVE"])) == 0
    error_message = "predict.environment must not name a setting that both functions share: use model and log_level."
  }

  validation {
    condition     = var.predict.connector == null || var.predict.vpc == null
    error_message = "predict.connector and predict.vpc exclude each other: a function reaches a network in one way."
  }

  validation {
    condition     = alltrue([for path in keys(var.predict.secret_files) : can(regex("^(/[^/]+)+/[^/]+$", path))]) && length(distinct([for path in keys(var.predict.secret_files) : dirname(path)])) == length(var.predict.secret_files)
    error_message = "Each of predict.secret_files must be a path such as /secrets/tls/key.pem, each in a directory of its own."
  }

  validation {
    condition     = !anytrue([for name in keys(var.predict.environment) : startswith(name, "SHADOW_")])
    error_message = "predict.environment must not name a setting of the shadow: use shadow, which brings its topic, its grants and its memory."
  }
}

variable "predict_event" {
  description = "The function predict_event: as predict, but reached only from inside the project, and for at most 600 seconds."
  type = object({
    binary_authorization = optional(string)
    concurrency          = optional(number, 80)
    connector            = optional(string)
    cpu                  = optional(string, "1")
    environment          = optional(map(string), {})
    ingress              = optional(string, "ALLOW_INTERNAL_ONLY")
    max_instances        = optional(number, 20)
    memory               = optional(string, "1Gi")
    min_instances        = optional(number, 0)
    secret_files         = optional(map(object({ secret = string, version = optional(string, "latest") })), {})
    secrets              = optional(map(object({ secret = string, version = optional(string, "latest") })), {})
    timeout_seconds      = optional(number, 60)
    vpc = optional(object({
      network    = string
      subnetwork = string
      egress     = optional(string, "VPC_EGRESS_PRIVATE_RANGES_ONLY")
      tags       = optional(list(string), [])
    }))
  })
  default = {}

  validation {
    condition     = var.predict_event.concurrency >= 1 && var.predict_event.concurrency <= 1000 && (var.predict_event.concurrency == 1 || tonumber(var.predict_event.cpu) >= 1)
    error_message = "predict_event.concurrency must be 1 to 1000, and 1 on less than one processor."
  }

  validation {
    condition     = contains(["ALLOW_ALL", "ALLOW_INTERNAL_ONLY"], var.predict_event.ingress)
    error_message = "predict_event.ingress must be ALLOW_INTERNAL_ONLY, which Pub/Sub of this project passes, or ALLOW_ALL."
  }

  validation {
    condition     = var.predict_event.min_instances >= 0 && var.predict_event.max_instances >= max(1, var.predict_event.min_instances)
    error_message = "predict_event.max_instances must be at least 1 and at least predict_event.min_instances."
  }

  validation {
    condition     = can(regex("^[0-9]+(Mi|Gi)$", var.predict_event.memory))
    error_message = "predict_event.memory must be a size such as 512Mi or 2Gi."
  }

  validation {
    condition     = var.predict_event.timeout_seconds >= 1 && var.predict_event.timeout_seconds <= 600
    error_message = "predict_event.timeout_seconds must be 1 to 600: Pub/Sub waits no longer for an ack."
  }

  validation {
    condition = length(setintersection(keys(var.predict_event.environment), [
      "DEAD_LETTER_TOPIC", "FUNCTION_USE_ASGI", "LOG_LEVEL", "MODEL_TRUST", "MODEL_URI", "PREDICTIONS_TOPIC", "RESULTS_BUCKET", "SOURCE_ARCHIVE"
    ])) == 0
    error_message = "predict_event.environment must not name a setting that Terraform sets: use model and log_level, and leave topics and bucket alone."
  }

  validation {
    condition     = var.predict_event.connector == null || var.predict_event.vpc == null
    error_message = "predict_event.connector and predict_event.vpc exclude each other: a function reaches a network in one way."
  }

  validation {
    condition     = alltrue([for path in keys(var.predict_event.secret_files) : can(regex("^(/[^/]+)+/[^/]+$", path))]) && length(distinct([for path in keys(var.predict_event.secret_files) : dirname(path)])) == length(var.predict_event.secret_files)
    error_message = "Each of predict_event.secret_files must be a path such as /secrets/tls/key.pem, each in a directory of its own."
  }

  validation {
    condition     = !anytrue([for name in keys(var.predict_event.environment) : startswith(name, "SHADOW_")])
    error_message = "predict_event.environment must not name a setting of the shadow: use shadow, which brings its topic, its grants and its memory."
  }
}

variable "source_archive" {
  description = "Path of the archive that `modelserve package` wrote; its name carries the hash of its content."
  type        = string

  validation {
    condition     = can(regex("(^|/)modelserve-[0-9a-f]{16}\\.zip$", var.source_archive))
    error_message = "source_archive must be the path that `modelserve package` printed, ending in modelserve-<16 hex digits>.zip."
  }
}
