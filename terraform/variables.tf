variable "allow_unauthenticated" {
  description = "Let anybody call predict, that of each model. Otherwise only invokers may."
  type        = bool
  default     = false
}

variable "deletion_protection" {
  description = "Refuse to delete tables, the cluster, and buckets that are not empty. Set false and apply before you take them away."
  type        = bool
  default     = true
}

variable "environment" {
  description = "Which environment this is; a label on everything."
  type        = string

  validation {
    condition     = contains(["dev", "staging", "prod"], var.environment)
    error_message = "environment must be dev, staging or prod."
  }
}

variable "images_kept" {
  description = "How many of the newest images of each package are kept whatever their age."
  type        = number
  default     = 10

  validation {
    condition     = var.images_kept >= 2
    error_message = "images_kept must be at least 2: one that serves and one to go back to."
  }
}

variable "invokers" {
  description = "Who may call predict: members such as serviceAccount:app@project.iam.gserviceaccount.com."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for member in var.invokers : can(regex("^(user|group|serviceAccount|domain|principal|principalSet):", member))])
    error_message = "Each of invokers must be a named member; to let anybody call, set allow_unauthenticated = true."
  }
}

variable "kms_key" {
  description = "A key of Cloud KMS in the region, projects/P/locations/REGION/keyRings/R/cryptoKeys/K, that encrypts buckets, topics, tables, images and functions; null leaves it to Google's own keys."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key == null ? true : can(regex("^projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+$", var.kms_key))
    error_message = "kms_key must be projects/P/locations/L/keyRings/R/cryptoKeys/K."
  }

  validation {
    condition     = var.kms_key == null ? true : try(split("/", var.kms_key)[3], var.region) == var.region
    error_message = "kms_key must be a key of the region: a function takes no other."
  }

  validation {
    condition     = var.kms_key == null ? true : alltrue([for place in [var.store.location, var.tables.location] : lower(coalesce(place, var.region)) == var.region])
    error_message = "With kms_key, store.location and tables.location must be left to be the region, where the key is."
  }
}

variable "labels" {
  description = "More labels for everything; application and environment are set."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for key, value in var.labels : can(regex("^[a-z][a-z0-9_-]{0,62}$", key)) && can(regex("^[a-z0-9_-]{0,63}$", value))])
    error_message = "Each of labels must be lower case letters, digits, _ and -, at most 63 of them."
  }
}

variable "name" {
  description = "What the names of all resources begin with."
  type        = string
  default     = "modelserve"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,16}[a-z0-9]$", var.name))
    error_message = "name must be 4 to 18 lower case letters, digits and -: the names of a service and of a rollout's tag are at most 46 characters together."
  }
}

variable "parts" {
  description = "What is made beside the function predict, its store and its account: events (topics and predict_event), tables (the BigQuery tables of events), watching (alarms, dashboard and checks), pipeline (accounts, images and triggers of Cloud Build). The fallback has enable_gke_fallback."
  type        = set(string)
  default     = ["events", "pipeline", "tables", "watching"]

  validation {
    condition     = length(setsubtract(var.parts, ["events", "pipeline", "tables", "watching"])) == 0
    error_message = "parts may be events, pipeline, tables and watching."
  }

  validation {
    condition     = contains(var.parts, "events") || !contains(var.parts, "tables")
    error_message = "parts may have tables only with events, which fill them."
  }

  validation {
    condition     = contains(var.parts, "pipeline") || (var.repository == null && !var.enable_gke_fallback)
    error_message = "repository and enable_gke_fallback need pipeline among parts: its accounts build, and the cluster runs its images."
  }

  validation {
    condition     = contains(var.parts, "events") || var.delivery.mode == "push"
    error_message = "delivery.mode = pull needs events among parts."
  }
}

variable "project_id" {
  description = "The project's id, where everything is made."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "project_id must be a project's id of 6 to 30 lower case letters, digits and -, not its number or title."
  }
}

variable "region" {
  description = "The region of everything that has one, such as europe-west1."
  type        = string

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "region must be a region such as europe-west1, not a zone."
  }
}
