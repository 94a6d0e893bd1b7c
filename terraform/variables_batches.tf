locals {
  _table = "^bq://([\\w.:-]+)\\.(\\w+)\\.([\\w {}-]+)$" # project, dataset and table
}

variable "batches" {
  description = "Jobs that run `modelserve score`, by a short key: model, input and output, when to run (schedule as cron, on_arrival for each file that arrives below input), further arguments, attempts, processors, memory and time; with dataflow, the most workers and their subnetwork: docs/batch-scheduled.md."
  type = map(object({
    arguments = optional(list(string), [])
    attempts  = optional(number, 3)
    cpu       = optional(string, "2")
    dataflow = optional(object({
      max_workers = optional(number, 10)
      subnetwork  = string
    }))
    input           = string
    memory          = optional(string, "4Gi")
    model           = string
    on_arrival      = optional(bool, false)
    output          = string
    schedule        = optional(string)
    time_zone       = optional(string, "Etc/UTC")
    timeout_seconds = optional(number, 3600)
  }))
  default = {}

  validation {
    condition     = alltrue([for key in keys(var.batches) : can(regex("^[a-z]([a-z0-9-]{0,18}[a-z0-9])?$", key))])
    error_message = "Each key of batches must be at most 20 lower case letters, digits and -, such as monthly."
  }

  validation {
    condition     = alltrue([for one in values(var.batches) : can(regex("^gs://[^/]+/.+\\.(parquet|csv|json|jsonl)$|^gs://[^/]+/([^*?]*/)?$|${local._table}", one.input)) && can(regex("^gs://[^/]+/([^*?]*)(/|[.]parquet)$|${local._table}", one.output))])
    error_message = "input of each of batches must be gs:// files, a prefix that ends with / or a table, and output a prefix, a .parquet file or a table: gs://BUCKET/in/{year}-{month}.parquet, gs://BUCKET/out/, bq://PROJECT.DATASET.TABLE."
  }

  validation {
    condition     = alltrue([for one in values(var.batches) : !one.on_arrival || (can(regex("^[^{}*?\"\\\\$]+/$", one.input)) && can(regex("^[^{}*?\"\\\\$]+/$", one.output)) && !startswith(one.output, one.input))])
    error_message = "With on_arrival, input and output of batches must be prefixes that end with /, without {} and patterns, and output not below input: what is written there would arrive again."
  }

  validation {
    condition     = alltrue([for one in values(var.batches) : one.schedule == null ? true : length(split(" ", one.schedule)) == 5])
    error_message = "schedule in batches must be five fields of cron, such as 0 6 1 * *."
  }

  validation {
    condition     = alltrue([for one in values(var.batches) : one.attempts >= 1 && one.attempts <= 11 && one.timeout_seconds >= 1 && one.timeout_seconds <= 604800])
    error_message = "attempts in batches must be 1 to 11, and timeout_seconds, of each attempt, 1 to 604800."
  }

  # https://cloud.google.com/run/docs/configuring/jobs/memory-limits
  validation {
    condition     = alltrue([for one in values(var.batches) : contains(["1", "2", "4", "6", "8"], one.cpu) && can(regex("^[0-9]+(Mi|Gi)$", one.memory)) && try(regex("^[0-9]+", one.memory) * (endswith(one.memory, "Gi") ? 1024 : 1) <= 4096 * one.cpu, false)])
    error_message = "cpu in batches must be 1, 2, 4, 6 or 8, and memory a size such as 4Gi, at most 4Gi for each."
  }

  validation {
    condition     = alltrue([for one in values(var.batches) : !anytrue([for place in [one.input, one.output] : can(regex("^gs://${var.project_id}-${var.name}-(models|source)/", place))]) && !startswith(one.output, "bq://${var.project_id}.${replace(var.name, "-", "_")}.")])
    error_message = "input and output of batches must not be in the buckets of models and sources, and output not in the dataset of predictions."
  }

  validation {
    condition     = alltrue([for one in values(var.batches) : one.dataflow != null]) || var.control_image != null
    error_message = "batches need control_image, which has the modelserve command, unless all have dataflow."
  }

  validation {
    condition     = alltrue([for one in values(var.batches) : one.dataflow == null]) || var.beam_image != null
    error_message = "batches with dataflow need beam_image, which has Apache Beam."
  }

  validation {
    condition     = alltrue([for one in values(var.batches) : one.dataflow == null || (startswith(one.input, "gs://") && endswith(one.output, "/"))])
    error_message = "With dataflow, input of batches must be files and output a prefix that ends with /: neither may be a table."
  }

  # https://cloud.google.com/dataflow/docs/guides/specifying-networks
  validation {
    condition     = alltrue([for one in values(var.batches) : one.dataflow == null ? true : one.dataflow.max_workers >= 1 && can(regex("^(https://www[.]googleapis[.]com/compute/v1/projects/[^/]+/)?regions/${var.region}/subnetworks/[^/]+$", one.dataflow.subnetwork))])
    error_message = "dataflow of batches must have max_workers of at least 1 and a subnetwork of the region, regions/REGION/subnetworks/NAME, or of another project by its full URL."
  }
}

variable "beam_image" {
  description = "The image of Dataflow's workers, by its digest, as the pipeline pushes it: it also has the modelserve command that submits. null without dataflow in batches."
  type        = string
  default     = null

  validation {
    condition     = var.beam_image == null ? true : can(regex("^[a-z0-9-]+-docker[.]pkg[.]dev/[^/]+/[^/]+/[^@]+@sha256:[0-9a-f]{64}$", var.beam_image))
    error_message = "beam_image must be in Artifact Registry and end with @sha256: and the digest: LOCATION-docker.pkg.dev/PROJECT/REPOSITORY/IMAGE@sha256:DIGEST."
  }
}

variable "control_image" {
  description = "The image of the modelserve command, by its digest, as the pipeline pushes it: batches and the console run it. null without these."
  type        = string
  default     = null

  validation {
    condition     = var.control_image == null ? true : can(regex("@sha256:[0-9a-f]{64}$", var.control_image))
    error_message = "control_image must end with @sha256: and the digest: a tag could mean another image tomorrow."
  }
}
