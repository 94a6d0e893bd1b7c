variable "models" {
  description = "More models beside model, by a short word with which the names of their resources begin after NAME-: each gets functions, accounts, topics, tables and alarms of its own. What is left out of predict and predict_event is as in the variables of these names; name is the word, unless it says otherwise."
  type = map(object({
    alias        = optional(string, "champion")
    input_schema = optional(string)
    invokers     = optional(list(string), [])
    name         = optional(string)
    producers    = optional(list(string), [])
    trust        = optional(string, "strict")
    predict = optional(object({
      concurrency     = optional(number)
      cpu             = optional(string)
      environment     = optional(map(string))
      max_instances   = optional(number)
      memory          = optional(string)
      min_instances   = optional(number)
      secret_files    = optional(map(object({ secret = string, version = optional(string, "latest") })))
      secrets         = optional(map(object({ secret = string, version = optional(string, "latest") })))
      timeout_seconds = optional(number)
    }), {})
    predict_event = optional(object({
      concurrency     = optional(number)
      cpu             = optional(string)
      environment     = optional(map(string))
      max_instances   = optional(number)
      memory          = optional(string)
      min_instances   = optional(number)
      secret_files    = optional(map(object({ secret = string, version = optional(string, "latest") })))
      secrets         = optional(map(object({ secret = string, version = optional(string, "latest") })))
      timeout_seconds = optional(number)
    }), {})
  }))
  default = {}

  validation {
    condition     = alltrue([for key in keys(var.models) : can(regex("^[a-z][a-z0-9]*$", key)) && key != "model" && length(var.name) + length(key) <= 17])
    error_message = "Each key of models must be lower case letters and digits, not model, and with name at most 17 of them: the names of a service and of a rollout's tag are at most 46 characters together."
  }

  validation {
    condition = alltrue([for key, one in var.models :
      can(regex("^[A-Za-z0-9_][A-Za-z0-9_.-]*$", coalesce(one.name, key))) && can(regex("^[A-Za-z0-9_][A-Za-z0-9_.-]*$", one.alias)) && contains(["strict", "pickle"], one.trust)
    ])
    error_message = "name and alias of each of models must be letters, digits, _, . and -, as they were published, and trust must be strict or pickle."
  }

  validation {
    condition = alltrue([for member in flatten([for one in values(var.models) : concat(one.invokers, one.producers)]) :
      can(regex("^(user|group|serviceAccount|domain|principal|principalSet):", member))
    ])
    error_message = "Each of invokers and producers in models must be a named member such as serviceAccount:app@project.iam.gserviceaccount.com."
  }

  validation {
    condition     = alltrue([for one in values(var.models) : one.input_schema == null ? true : try(jsondecode(one.input_schema).type == "record", false)])
    error_message = "input_schema in models must be the text of an Avro record, as `modelserve schema` prints it, not its path."
  }

  validation {
    condition = alltrue(flatten([for one in values(var.models) : [for most, function in { "600" = one.predict_event, "3600" = one.predict } : [
      function.memory == null || can(regex("^[0-9]+(Mi|Gi)$", function.memory)),
      coalesce(function.concurrency, 1) >= 1 && coalesce(function.concurrency, 1) <= 1000,
      coalesce(function.timeout_seconds, 1) >= 1 && coalesce(function.timeout_seconds, 1) <= tonumber(most),
      coalesce(function.min_instances, 0) >= 0 && coalesce(function.max_instances, 1000) >= max(1, coalesce(function.min_instances, 0)),
    ]]]))
    error_message = "predict and predict_event of each of models must have a memory such as 512Mi or 2Gi, a concurrency of 1 to 1000, a timeout_seconds of 1 to 3600 (600 for predict_event), and max_instances of at least 1 and at least min_instances."
  }

  validation {
    condition = alltrue([for name in flatten([for one in values(var.models) : [for function in [one.predict, one.predict_event] : keys(coalesce(function.environment, {}))]]) :
      !startswith(name, "SHADOW_") && !contains(["DEAD_LETTER_TOPIC", "FUNCTION_USE_ASGI", "LOG_LEVEL", "MODEL_TRUST", "MODEL_URI", "PREDICTIONS_TOPIC", "RESULTS_BUCKET", "SOURCE_ARCHIVE"], name)
    ])
    error_message = "environment in models must not name a setting that Terraform sets, or one of the shadow, which only model has."
  }
}
