variable "parts" {
  description = "For which parts of terraform/ APIs are enabled beside those that serve: dataflow, fallback, pipeline, tables, watching (which has the budget, too)."
  type        = set(string)
  default     = ["dataflow", "fallback", "pipeline", "tables", "watching"]

  validation {
    condition     = length(setsubtract(var.parts, ["dataflow", "fallback", "pipeline", "tables", "watching"])) == 0
    error_message = "parts may be dataflow, fallback, pipeline, tables and watching; events need no API of their own."
  }
}

variable "project_id" {
  description = "The project's id."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "project_id must be a project's id of 6 to 30 lower case letters, digits and -, not its number or title."
  }
}

variable "region" {
  description = "The region of the state bucket, such as europe-west1."
  type        = string

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "region must be a region such as europe-west1, not a zone."
  }
}
