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
    condition     = alltrue([for key in keys(var.models) : can(regex("^[a-z][a-z0-9]*$", key))])
    error_message = "Each key of models must be lower case letters and digits, and begin with a letter."
  }

  validation {
    condition     = !contains(keys(var.models), "model")
    error_message = "A key of models must not be model: in the outputs this is the key of the first model."
  }

  validation {
    condition     = alltrue([for key in keys(var.models) : length(var.name) + length(key) <= 17])
    error_message = "name and each key of models must have at most 17 characters together: the names of a service and of a rollout's tag may have 46 together."
  }

  validation {
    condition = alltrue([for key, one in var.models :
      can(regex("^[A-Za-z0-9_][A-Za-z0-9_.-]*$", coalesce(one.name, key))) && can(regex("^[A-Za-z0-9_][A-Za-z0-9_.-]*$", one.alias))
    ])
    error_message = "name and alias in models must be letters, digits, _, . and -, as they were published."
  }

  validation {
    condition     = alltrue([for one in values(var.models) : contains(["strict", "pickle"], one.trust)])
    error_message = "trust in models must be strict, or pickle: then whoever can write the models bucket may run code."
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
    condition = alltrue(flatten([for one in values(var.models) : [for function in [one.predict, one.predict_event] :
      function.memory == null || can(regex("^[0-9]+(Mi|Gi)$", function.memory))
    ]]))
    error_message = "memory in models must be a size such as 512Mi or 2Gi."
  }

  validation {
    condition = alltrue(flatten([for one in values(var.models) : [for function in [one.predict, one.predict_event] :
      coalesce(function.concurrency, 1) >= 1 && coalesce(function.concurrency, 1) <= 1000
    ]]))
    error_message = "concurrency in models must be 1 to 1000."
  }

  validation {
    condition = alltrue(flatten([for one in values(var.models) : [for pair in [[one.predict, var.predict], [one.predict_event, var.predict_event]] :
      coalesce(pair[0].concurrency, pair[1].concurrency) == 1 || tonumber(coalesce(pair[0].cpu, pair[1].cpu)) >= 1
    ]]))
    error_message = "concurrency in models must be 1 on less than one processor, also where one of them is that of predict or predict_event."
  }

  validation {
    condition = alltrue(flatten([for one in values(var.models) : [for pair in [[one.predict, var.predict], [one.predict_event, var.predict_event]] :
      coalesce(pair[0].min_instances, pair[1].min_instances) >= 0 &&
      coalesce(pair[0].max_instances, pair[1].max_instances) >= max(1, coalesce(pair[0].min_instances, pair[1].min_instances))
    ]]))
    error_message = "max_instances in models must be at least 1 and at least min_instances, also where one of them is that of predict or predict_event."
  }

  validation {
    condition = alltrue([for one in values(var.models) :
      coalesce(one.predict.timeout_seconds, 1) >= 1 && coalesce(one.predict.timeout_seconds, 1) <= 3600
    ])
    error_message = "predict.timeout_seconds in models must be 1 to 3600."
  }

  validation {
    condition = alltrue([for one in values(var.models) :
      coalesce(one.predict_event.timeout_seconds, 1) >= 1 && coalesce(one.predict_event.timeout_seconds, 1) <= 600
    ])
    error_message = "predict_event.timeout_seconds in models must be 1 to 600: Pub/Sub waits no longer for an ack."
  }

  validation {
    condition = alltrue(flatten([for one in values(var.models) : [for function in [one.predict, one.predict_event] :
      length(setintersection(keys(coalesce(function.environment, {})), [
        "DEAD_LETTER_TOPIC", "FUNCTION_USE_ASGI", "LOG_LEVEL", "MODEL_TRUST", "MODEL_URI", "PREDICTIONS_TOPIC", "RESULTS_BUCKET", "SOURCE_ARCHIVE"
      ])) == 0
    ]]))
    error_message = "environment in models must not name a setting that Terraform sets: use name, alias, trust and log_level, and leave topics and bucket alone."
  }

  validation {
    condition = alltrue(flatten([for one in values(var.models) : [for function in [one.predict, one.predict_event] :
      !anytrue([for name in keys(coalesce(function.environment, {})) : startswith(name, "SHADOW_")])
    ]]))
    error_message = "environment in models must not name a setting of the shadow, which only model has."
  }

  validation {
    condition = alltrue(flatten([for one in values(var.models) : [for function in [one.predict, one.predict_event] :
      alltrue([for path in keys(coalesce(function.secret_files, {})) : can(regex("^(/[^/]+)+/[^/]+$", path))])
    ]]))
    error_message = "Each of secret_files in models must be a path such as /secrets/tls/key.pem."
  }

  validation {
    condition = alltrue(flatten([for one in values(var.models) : [for function in [one.predict, one.predict_event] :
      length(distinct([for path in keys(coalesce(function.secret_files, {})) : dirname(path)])) == length(coalesce(function.secret_files, {}))
    ]]))
    error_message = "Each of secret_files in models must be in a directory of its own."
  }
}
