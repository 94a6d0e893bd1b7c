# What is made once for each model, by what the names of its own resources begin with: nothing for `model`, and the
# key for one of `models`. So the names of `model` stay when others come.
locals {
  models = merge({
    "" = {
      alias         = var.model.alias
      input_schema  = var.input_schema
      invokers      = var.invokers
      name          = var.model.name
      names         = var.name
      predict       = var.predict
      predict_event = var.predict_event
      producers     = var.producers
      trust         = var.model.trust
    }
    }, {
    for key, one in var.models : "${key}-" => {
      alias         = one.alias
      input_schema  = one.input_schema
      invokers      = one.invokers
      name          = coalesce(one.name, key)
      names         = "${var.name}-${key}"
      predict       = merge(var.predict, { for setting, value in one.predict : setting => value if value != null })
      predict_event = merge(var.predict_event, { for setting, value in one.predict_event : setting => value if value != null })
      producers     = one.producers
      trust         = one.trust
    }
  })

  # Only with events.
  _event_models = { for prefix, one in local.models : prefix => one if local.events }

  rollback = join(", or ", [for one in local.models : "modelserve rollback ${one.name}"])
}

# What there was before there could be several.
moved {
  from = google_cloud_run_v2_service_iam_member.push[0]
  to   = google_cloud_run_v2_service_iam_member.push["predict_event"]
}

moved {
  from = google_monitoring_alert_policy.no_prediction[0]
  to   = google_monitoring_alert_policy.no_prediction["predictions"]
}

moved {
  from = google_monitoring_dashboard.this[0]
  to   = google_monitoring_dashboard.this["predict"]
}

moved {
  from = google_pubsub_schema.input[0]
  to   = google_pubsub_schema.input["input"]
}

moved {
  from = google_pubsub_subscription.dead_letters[0]
  to   = google_pubsub_subscription.dead_letters["dead_letter"]
}

moved {
  from = google_pubsub_subscription.events[0]
  to   = google_pubsub_subscription.events["predict_event"]
}

moved {
  from = google_pubsub_subscription_iam_member.dead_letters[0]
  to   = google_pubsub_subscription_iam_member.dead_letters["predict_event"]
}

moved {
  from = google_pubsub_topic_iam_member.dead_letters[0]
  to   = google_pubsub_topic_iam_member.dead_letters["dead_letter"]
}
