output "console" {
  description = "Address of the console; null without one."
  value       = var.console == null ? null : local.console_url
}

output "curl" {
  description = "Asks the function for a prediction as the account that runs it."
  value       = "curl -s ${local.urls.predict}/predict -H \"Authorization: Bearer $(gcloud auth print-identity-token)\" -H 'Content-Type: application/json' -d @scripts/examples/customer.json"
  depends_on  = [google_cloud_run_v2_service_iam_member.callers]
}

output "dead_letters_command" {
  description = "Shows messages that could not be scored, and leaves them."
  value       = local.events ? "gcloud pubsub subscriptions pull ${google_pubsub_subscription.dead_letters["dead_letter"].name} --project=${var.project_id} --limit=10" : null
}

output "event_command" {
  description = "Publishes one event for predict_event."
  value       = local.events ? "gcloud pubsub topics publish ${google_pubsub_topic.this["input"].name} --project=${var.project_id} --message=\"$(cat scripts/examples/customer.json)\"" : null
  depends_on  = [google_pubsub_subscription.events]
}

output "fallback" {
  description = "With the fallback: the DNS records to make, and what the cluster's manifests and `modelserve failover` name."
  value = var.enable_gke_fallback ? {
    records = {
      (var.fallback.domain)        = module.fallback[0].address
      (var.fallback.origin_domain) = module.fallback[0].gateway_address
    }
    cluster              = module.fallback[0].cluster
    component            = var.delivery.mode == "push" ? "push" : ""
    gateway_address_name = module.fallback[0].gateway_address_name
    image                = local.image
    manifests            = local.manifests
    security_policy      = module.fallback[0].origin_policy
    url_map              = module.fallback[0].url_map
  } : null
}

output "function_urls" {
  description = "Address of each function."
  value       = local.urls
}

output "identities" {
  description = "Address of the service account of each job."
  value       = { for job, account in google_service_account.this : job => account.email }
}

output "models" {
  description = "For each model, the first under the key model and the others under their keys in models: what it serves, and its function URLs, topics, subscriptions and tables."
  value = { for prefix, one in local.models : prefix == "" ? "model" : trimsuffix(prefix, "-") => {
    serves        = "${one.name}@${one.alias}"
    function_urls = { for key, each in local.functions : each.entry_point => local.urls[key] if each.prefix == prefix }
    subscriptions = local.events ? { dead_letters = google_pubsub_subscription.dead_letters["${prefix}dead_letter"].id, events = google_pubsub_subscription.events["${prefix}predict_event"].id } : {}
    tables        = { for key, each in local._tables : each.topic => local.tables_by_topic[key] if each.prefix == prefix }
    topics        = { for topic in ["dead_letter", "input", "predictions"] : topic => google_pubsub_topic.this["${prefix}${topic}"].id if local.events }
  } }
}

output "prediction_log" {
  description = "Tables of the prediction log, PROJECT.DATASET.TABLE, by model as in models, and the lines for the settings.env of the fallback's overlay."
  value = var.prediction_log == null ? null : {
    settings = join("\n", [for name, value in local.log_settings[""] : "${name}=${value}"])
    tables   = { for key, one in google_bigquery_table.prediction_log : local._logs[key] == "" ? "model" : trimsuffix(local._logs[key], "-") => join(".", [var.project_id, one.dataset_id, one.table_id]) }
  }
}

output "publish_command" {
  description = "Puts a model where both functions look for it, and promotes it. Say which with SOURCE."
  value       = "modelserve publish \"$SOURCE\" --store gs://${google_storage_bucket.this["models"].name} --name ${var.model.name} --alias ${var.model.alias}"
  depends_on  = [google_storage_bucket_iam_member.this]
}

output "shadow" {
  description = "With the shadow: its topic, the subscription that `modelserve release --shadow-subscription` takes, and the lines for the settings.env of the fallback's overlay."
  value = var.shadow == null ? null : {
    settings     = join("\n", [for name, value in local.shadow_settings : "${name}=${value}"])
    subscription = google_pubsub_subscription.shadow[0].id
    topic        = google_pubsub_topic.this["shadow"].id
  }
}

output "store" {
  description = "The bucket of models, as the modelserve command takes it."
  value       = "gs://${google_storage_bucket.this["models"].name}"
}

output "tables" {
  description = "The BigQuery tables, PROJECT.DATASET.TABLE, by what they keep."
  value       = local.tables_by_topic
}
