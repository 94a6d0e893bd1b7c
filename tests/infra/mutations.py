"""For each rule the smallest change of the configuration that breaks it."""

from __future__ import annotations

from typing import Final

from infra.terraform import Change

POLICIES: Final = {
    "nobody_is_public": Change("variables.tf", "type        = bool\n  default     = false", "type        = bool\n  default     = true"),
    "grants_on_the_project_are_listed": Change("project_grants.tf", "deploy/roles/monitoring.viewer", "deploy/roles/editor"),
    "grants_take_nothing_from_others": Change(
        "topics.tf",
        'resource "google_pubsub_topic_iam_member" "producers" {',
        'resource "google_pubsub_topic_iam_binding" "all" {\n  topic = google_pubsub_topic.this["input"].name\n'
        '  role = "roles/pubsub.publisher"\n  members = var.producers\n}\n\n'
        'resource "google_pubsub_topic_iam_member" "producers" {',
    ),
    "there_are_no_keys": Change(
        "identities.tf",
        "# Who deploys a function",
        'resource "google_service_account_key" "deploy" {\n  service_account_id = google_service_account.this["deploy"].name\n}\n\n# Who deploys a function',
    ),
    "functions_only_read_models": Change("store.tf", "models/http/roles/storage.objectViewer", "models/http/roles/storage.objectCreator"),
    "versions_cannot_be_overwritten": Change("store.tf", ' && resource.name.extract(\\"/objects/models/{name}/versions/\\") == \\"\\""', '"'),
    "buckets_are_hardened": Change("store.tf", 'public_access_prevention    = "enforced"', 'public_access_prevention    = "inherited"'),
    "what_is_kept_is_encrypted": Change("tables.tf", "dynamic \"encryption_configuration\" {\n    for_each = var.kms_key == null ? [] : [1]", "dynamic \"encryption_configuration\" {\n    for_each = []"),
    "updates_are_waited_for": Change("project_grants.tf", '["cloudfunctions.operations.get"]', '["cloudfunctions.functions.get"]'),
    "only_images_for_the_cluster_are_final": Change("registry.tf", "functions = { immutable_tags = false", "functions = { immutable_tags = true"),
    "an_archive_that_is_served_stays": Change("store.tf", '  deletion_policy = "ABANDON"\n', ""),
    "topics_keep_their_messages": Change("build.tf", 'message_retention_duration = "86400s"', "message_retention_duration = null"),
    "subscriptions_do_not_expire": Change("tables.tf", 'ttl = ""', 'ttl = "2678400s"'),
    "dead_letters_arrive_and_stay": Change("subscriptions.tf", 'each.value\n  role         = "roles/pubsub.subscriber"', 'each.value\n  role         = "roles/pubsub.viewer"'),
    "what_is_pushed_has_a_dead_letter_policy": Change(
        "subscriptions.tf",
        'dead_letter_policy {\n    dead_letter_topic     = google_pubsub_topic.this["${each.value.prefix}dead_letter"].id\n    max_delivery_attempts = var.delivery.max_attempts\n  }',
        "",
    ),
    "the_ack_deadline_covers_the_timeout": Change("subscriptions.tf", "max(10, each.value.timeout_seconds)", "10"),
    "an_outage_costs_no_message": Change("variables_store.tf", "max_attempts            = optional(number, 10)", "max_attempts            = optional(number, 5)"),
    "pushes_are_signed_by_an_account_of_their_own": Change("subscriptions.tf", 'this["${each.value.prefix}push"].email', 'this["${each.value.prefix}event"].email'),
    "functions_share_a_model": Change(
        "functions.tf", "each.value.settings)", 'each.value.settings, { MODEL_URI = "gs://${each.key}" })'
    ),
    "functions_take_as_many_requests_as_they_are_sent": Change("functions.tf", 'FUNCTION_USE_ASGI = "true"', 'FUNCTION_USE_ASGI = "false"'),
    "retraining_writes_no_record_of_a_rollout": Change("store.tf", "/releases/models/", "/releases/"),
    "only_who_serves_tells_of_a_shadow": Change("shadow.tf", 'toset(["event", "http"])', 'toset(["event", "http", "retrain"])'),
    "only_who_releases_reads_of_a_shadow": Change("shadow.tf", 'toset(["deploy", "retrain"])', 'toset(["deploy", "retrain", "test"])'),
    "only_who_serves_logs_predictions": Change("prediction_log.tf", "member   = local.members[each.value.identity]", "member   = local.members.retrain"),
    "the_log_has_the_columns_that_are_written": Change("prediction_log.tf", '"milliseconds", type = "FLOAT"', '"milliseconds", type = "STRING"'),
    "batches_run_as_an_account_of_their_own": Change("batches.tf", 'google_service_account.this["batch"].email', 'google_service_account.this["retrain"].email'),
    "batches_are_commands_that_exist": Change("arrivals.tf", '"--output", "$${', '"--out", "$${'),
    "batches_reach_the_tables_that_they_name_and_no_others": Change("batches.tf", '"roles/bigquery.dataEditor" = [for one in var.batches : one.output]', '"roles/bigquery.dataEditor" = [for one in var.batches : one.input]'),
    "workers_have_an_account_of_their_own_and_no_address_outside": Change("dataflow.tf", 'google_service_account.this["dataflow"].email', 'google_service_account.this["batch"].email'),
    "what_workers_keep_is_encrypted": Change("dataflow.tf", '["dataflow_kms_key=', '["dataflow_key='),
    "batches_run_what_a_digest_names": Change("batches.tf", "var.control_image : var.beam_image", 'split("@", var.control_image)[0] : var.beam_image'),
    "failed_batches_are_noticed": Change("batches.tf", 'resource.labels.workflow_id=', 'resource.labels.workflow='),
    "what_keeps_nothing_can_be_taken_away": Change("arrivals.tf", "deletion_protection = false", "deletion_protection = true"),
    "what_is_written_does_not_arrive": Change("arrivals.tf", "object_name_prefix = each.value.from[1]", 'object_name_prefix = ""'),
    "the_console_is_behind_the_proxy": Change("console.tf", "iap_enabled         = true", "iap_enabled         = false"),
    "the_console_is_a_command_that_only_shows": Change("console.tf", '"--port", "8080"', '"--port", "8050"'),
    "the_console_only_reads": Change("store.tf", "models/console/roles/storage.objectViewer", "models/console/roles/storage.objectCreator"),
    "functions_run_and_build_as_accounts_of_their_own": Change("functions.tf", 'predict = "http"', 'predict = "event"'),
    "builds_have_an_account_of_their_own": Change("build.tf", 'account = "test"', 'account = "deploy"'),
    "what_changes_production_is_approved": Change(
        "build.tf", "retrain = { approval = local._approval }", "retrain = { approval = false }"
    ),
    "what_is_made_for_a_model_names_nothing_of_another": Change("functions.tf", 'this["${prefix}results"].name', 'this["results"].name'),
    "images_are_cleaned_up": Change("registry.tf", "cleanup_policy_dry_run = false", "cleanup_policy_dry_run = true"),
    "tables_are_protected": Change("tables.tf", "deletion_protection = var.deletion_protection", "deletion_protection = false"),
    "the_cluster_is_private_and_protected": Change(
        "modules/fallback/cluster.tf", "enable_private_nodes    = true", "enable_private_nodes    = false"
    ),
    "backends_fit_together": Change(
        "modules/fallback/backends.tf",
        "group = google_compute_region_network_endpoint_group.function.id\n  }",
        "group = google_compute_region_network_endpoint_group.function.id\n  }\n\n"
        "  backend {\n    group = google_compute_global_network_endpoint_group.gateway.id\n  }",
    ),
    "weights_share_out_every_request": Change("modules/fallback/load_balancer.tf", "weight          = 100", "weight          = 10"),
    "plain_http_is_redirected": Change("modules/fallback/load_balancer.tf", "PERMANENT_REDIRECT", "FOUND"),
    "the_gateway_finds_what_it_names": Change("modules/fallback/load_balancer.tf", "domains = [var.settings.origin_domain]", "domains = [var.settings.domain]"),
    "the_cluster_pulls_what_it_runs": Change("modules/fallback/sync.tf", "root-reconciler]", "importer]"),
    "failed_jobs_are_noticed": Change("log_metrics.tf", "textPayload=~\\\"^ERROR: (build step", "textPayload=~\\\"^(build step"),
    "every_way_in_is_checked": Change("uptime.tf", "!var.enable_gke_fallback ? {}", "true ? {}"),
    "a_good_answer_passes_a_check": Change("uptime.tf", '"STATUS_CLASS_2XX"', '"STATUS_CLASS_4XX"'),
    "alerts_say_what_to_do": Change("uptime.tf", "    content = ", '    content = "" # '),
    "metrics_exist": Change("dashboard.tf", "container/instance_count", "container/instances"),
}  # fmt: skip

# More changes that break a policy; the changes of one row are made together, each for a policy of its own.
MORE: Final = (
    {
        "an_outage_costs_no_message": Change("variables_store.tf", "maximum_backoff_seconds = optional(number, 600)", "maximum_backoff_seconds = optional(number, 60)"),
        "buckets_are_hardened": Change("store.tf", "force_destroy               = !var.deletion_protection", "force_destroy               = true"),
    },
    {
        "updates_are_waited_for": Change("project_grants.tf", "role    = google_project_iam_custom_role.operations[0].name\n  member  = local.members.deploy", "role    = google_project_iam_custom_role.operations[0].name\n  member  = local.members.retrain"),
        "only_images_for_the_cluster_are_final": Change("registry.tf", "images    = { immutable_tags = true", "images    = { immutable_tags = false"),
        "an_outage_costs_no_message": Change("tables.tf", "  retry_policy {\n    minimum_backoff = \"${var.delivery.minimum_backoff_seconds}s\"\n    maximum_backoff = \"${var.delivery.maximum_backoff_seconds}s\"\n  }\n", ""),
    },
)  # fmt: skip

# One change for each run of tests/*.tftest.hcl that states a rule.
RULES: Final = {
    "rules.tftest.hcl": {
        "everything_is_made_at_once": Change("variables_models.tf", "  default = {}", "  default = { flights = {} }"),
        "both_functions_serve_the_same_model": Change("functions.tf", "@${one.alias}\"\n    SOURCE", "@latest\"\n    SOURCE"),
        "a_setting_of_one_function_reaches_only_that_one": Change("functions.tf", "merge(each.value.environment", "merge(var.predict_event.environment"),
        "the_python_is_that_of_the_project": Change("functions.tf", 'python_version, ".", ""', 'python_version, ".", "-"'),
        "new_code_is_a_new_object": Change("store.tf", "basename(var.source_archive)", '"functions.zip"'),
        "nobody_may_call_by_default": Change("invokers.tf", "concat(one.invokers,", 'concat(["user:somebody@example.com"],'),
        "anybody_may_call_when_asked": Change("invokers.tf", "var.allow_unauthenticated ?", "false ?"),
        "the_ack_deadline_follows_the_timeout": Change("subscriptions.tf", "max(10, each.value.timeout_seconds)", "60"),
        "a_push_names_its_topic": Change("subscriptions.tf", '/${google_pubsub_topic.this["${each.value.prefix}input"].id}"', '"'),
        "a_push_is_signed_for_the_function": Change("subscriptions.tf", "audience              = local.urls[each.key]", "audience              = local.urls.predict"),
        "pulling_takes_the_push_away": Change("subscriptions.tf", 'var.delivery.mode == "push" ? [1] : []', "[1]"),
        "a_schema_has_the_hash_of_its_text_in_its_name": Change("topics.tf", "-${each.key}-${substr(sha256(each.value), 0, 8)}", "-${each.key}"),
        "only_the_input_has_a_schema": Change("topics.tf", "one if key == each.key]", 'one if each.key != "dead_letter"]'),
        "a_key_encrypts_all_that_is_kept": Change("store.tf", "default_kms_key_name = var.kms_key", 'default_kms_key_name = "another"'),
        "a_secret_is_read_by_the_function_that_was_given_it": Change("functions.tf", "identity = one.identity }", 'identity = "event" }'),
        "a_secret_may_be_a_file": Change("functions.tf", "merge(one.secrets, one.secret_files)", "one.secrets"),
        "a_connector_is_used_by_the_function_that_was_given_it": Change("functions.tf", "= each.value.connector\n", "= var.predict.connector\n"),
        "only_results_are_deleted_by_age": Change("store.tf", "models = { versioning = true, expire_days = null }", "models = { versioning = true, expire_days = 1 }"),
        "nothing_rings_for_a_script_that_nobody_wrote": Change("variables_build.tf", "drift   = optional(string)", 'drift   = optional(string, "0 6 * * *")'),
        "without_a_repository_there_are_no_triggers_and_no_ringing": Change("schedules.tf", "var.repository == null", "false"),
        "a_repository_brings_four_triggers": Change("build.tf", "drift   = { approval = false }", ""),
        "a_rollout_alone_moves_the_traffic": Change("functions.tf", "!coalesce(var.rollouts", "coalesce(var.rollouts"),
        "a_failed_job_raises_an_alarm": Change("alerts.tf", "in google_cloudbuild_trigger.job : job => one if local.watching", 'in google_cloudbuild_trigger.job : job => one if job != "retrain"'),
        "only_production_waits_for_approval": Change("build.tf", 'var.environment == "prod"', 'var.environment != "test"'),
        "an_uptime_check_only_where_it_can_get_in": Change("uptime.tf", ' && var.predict.ingress == "ALLOW_ALL"', ""),
        "a_budget_only_when_asked": Change("variables_watching.tf", "currency        = optional(string)\n  })\n  default = null", 'currency        = optional(string)\n  })\n  default = { amount = 5, billing_account = "012345-6789AB-CDEF01" }'),
        "a_used_dev_can_be_destroyed": Change("tables.tf", "delete_contents_on_destroy = !var.deletion_protection", "delete_contents_on_destroy = false"),
    },
    "fallback.tftest.hcl": {
        "without_the_fallback_there_is_nothing_of_it": Change("fallback.tf", "count  = var.enable_gke_fallback ? 1 : 0", "count  = 1"),
        "enabling_it_is_one_plan": Change("fallback.tf", 'http   = "${local._pods}/http"', ""),
        "enabling_it_is_one_apply": Change("outputs.tf", "(var.fallback.origin_domain)", '"origin"'),
        "an_alarm_says_that_the_fallback_answers": Change("alerts.tf", ': "fallback" =>', ': "other" =>'),
        "the_cluster_pulls_what_it_runs": Change("registry.tf", "manifests:${var.environment}", "manifests"),
        "the_load_balancer_is_checked_from_outside": Change("uptime.tf", ' && var.predict.ingress == "ALLOW_ALL"', ""),
        "a_refusal_is_an_answer_only_where_callers_are_known": Change("uptime.tf", "var.allow_unauthenticated ? []", "false ? []"),
        "disabling_it_is_one_plan": Change("fallback.tf", 'var.enable_gke_fallback && local.events ? toset(["dead_letter", "predictions"])', 'true ? toset(["dead_letter", "predictions"])'),
        "disabling_it_is_one_apply": Change("fallback.tf", "pods = var.enable_gke_fallback ? {", "pods = true ? {"),
    },
    "parts.tftest.hcl": {
        "the_least_is_a_function_that_serves": Change("store.tf", "keys(local._event_models) : \"${prefix}results\"", "keys(local.models) : \"${prefix}results\""),
        "the_least_has_two_accounts": Change("identities.tf", "    }, !local.events ? {} : {\n    event ", "    }, false ? {} : {\n    event "),
        "the_least_has_no_topic_but_that_of_the_shadow": Change("build.tf", "count                      = local.pipeline ? 1 : 0", "count                      = 1"),
        "the_least_is_not_watched": Change("dashboard.tf", " if local.watching }", " }"),
        "the_least_has_no_part_of_a_pipeline": Change("registry.tf", "    }, !local.pipeline ? {} : {", "    }, false ? {} : {"),
        "events_come_without_tables": Change("project.tf", 'tables   = contains(var.parts, "tables")', 'tables   = contains(var.parts, "events")'),
        "tables_are_told": Change("tables.tf", "[var.project_id, one.dataset_id, one.table_id]", "[one.dataset_id, one.table_id]"),
        "predict_alone_can_be_watched": Change("alerts.tf", "local.watching && (local.events || !one.events)", "local.watching"),
        "a_pipeline_deploys_predict_alone": Change("identities.tf", 'contains(["build", "event", "http"]', 'contains(["build"]'),
    },
    "batches.tftest.hcl": {
        "batches_are_one_apply": Change("batches.tf", '"score", each.value.model', '"score", "churn"'),
        "a_schedule_starts_its_own_job_as_the_account_that_may": Change("batches.tf", "local._start[each.key]\n    oauth", "local._start.arriving\n    oauth"),
        "a_file_that_arrives_is_the_input_and_names_its_output": Change("arrivals.tf", r'\" + file + \"/\"}"', r'\"}"'),
        "only_what_arrives_below_the_input_starts_it": Change("arrivals.tf", "each.value.from[1]", '"in"'),
        "only_a_batch_for_files_may_be_started_with_other_arguments": Change("batches.tf", 'contains(keys(local._arriving), each.key) ? "roles', 'each.key != "" ? "roles'),
        "outputs_alone_are_written": Change("batches.tf", '/objects/${each.value[0][1]}")', '/objects/")'),
        "a_table_is_reached_by_its_dataset": Change("batches.tf", '"roles/bigquery.dataViewer" = [for one in var.batches : one.input]', '"roles/bigquery.dataViewer" = [for one in var.batches : one.output]'),
        "without_tables_and_dataflow_there_is_nothing_of_them": Change("project_grants.tf", '"batch/roles/bigquery.jobUser"         = local._datasets["roles/bigquery.dataEditor"]\n', '"batch/roles/bigquery.jobUser" = [1]\n'),
        "a_batch_on_dataflow_runs_in_the_image_of_its_workers": Change("batches.tf", "var.control_image : var.beam_image", "var.control_image : var.control_image"),
        "its_workers_have_an_account_a_subnetwork_and_no_address_outside": Change("dataflow.tf", '        "no_use_public_ips",\n', ""),
        "workers_write_outputs_alone_and_pull_from_one_repository": Change("dataflow.tf", "[one.from[0], one.to[0]]", "[one.from[0]]"),
        "what_is_asked_of_a_machine_reaches_it": Change("batches.tf", "memory = each.value.memory", 'memory = "4Gi"'),
        "without_batches_there_is_nothing_of_them": Change("identities.tf", "length(var.batches) == 0 ? {}", "var.control_image == null ? {}"),
    },
    "console.tftest.hcl": {
        "a_console_is_one_apply": Change("outputs.tf", "null : local.console_url", "null : var.name"),
        "the_console_answers_to_its_own_address_and_shows_the_batches": Change("console.tf", '"--origin", local.console_url', '"--origin", "https://localhost"'),
        "only_those_who_were_named_see_it": Change("console.tf", "toset(var.console.members)", 'toset(["user:me@example.com"])'),
        "a_console_has_the_memory_that_was_asked_for": Change("console.tf", "memory = var.console.memory", 'memory = "2Gi"'),
        "without_a_console_there_is_nothing_of_it": Change("identities.tf", "}, var.console == null ? {} : {", "}, var.control_image == null ? {} : {"),
    },
    "prediction_log.tftest.hcl": {
        "a_log_is_one_apply": Change("outputs.tf", "[var.project_id, one.dataset_id, one.table_id]", "[one.dataset_id, one.table_id]"),
        "both_functions_publish_what_the_table_is_fed_from": Change("prediction_log.tf", "= google_pubsub_topic.this[each.key].id", '= google_pubsub_topic.this["${each.value}input"].id'),
        "the_fallback_is_told_what_the_functions_log": Change("outputs.tf", 'local.log_settings[""] : "${name}=${value}"', 'local.log_settings[""] : "${name}: ${value}"'),
        "what_is_left_out_reaches_both_functions": Change("prediction_log.tf", 'join(",", var.prediction_log.without)', '""'),
        "rows_and_messages_are_kept_as_long_as_was_asked": Change("prediction_log.tf", "var.prediction_log.expiration_days * 86400000", "90 * 86400000"),
        "each_model_has_a_log_of_its_own": Change("prediction_log.tf", '["${each.value.prefix}prediction_log"]', '["prediction_log"]'),
        "without_a_log_there_is_nothing_of_it": Change("topics.tf", "for topic in keys(local._logs) :", 'for topic in setunion(["prediction_log"], keys(local._logs)) :'),
    },
    "shadow.tftest.hcl": {
        "a_shadow_is_one_apply": Change("outputs.tf", "google_pubsub_subscription.shadow[0].id", "google_pubsub_subscription.events[\"predict_event\"].id"),
        "a_release_may_read_what_it_waits_for": Change("shadow.tf", 'toset(["deploy", "retrain"])', 'toset(["deploy"])'),
        "both_functions_have_the_challenger_beside_the_model": Change("variables_shadow.tf", '"challenger"', '"next"'),
        "the_challenger_may_be_another_model": Change("shadow.tf", "coalesce(var.shadow.name, var.model.name)", "var.model.name"),
        "how_much_is_compared_reaches_both_functions": Change("shadow.tf", "tostring(var.shadow.percent)", '"10"'),
        "both_functions_tell_the_topic_that_a_release_reads": Change("shadow.tf", 'topic                      = google_pubsub_topic.this["shadow"].id', 'topic                      = google_pubsub_topic.this["input"].id'),
        "two_models_get_twice_the_memory": Change("functions.tf", 'regex("^[0-9]+", each.value.memory)', '1'),
        "a_report_waits_as_long_as_was_asked": Change("shadow.tf", "var.retention_days.shadow * 86400", "86400"),
        "a_challenger_that_fails_raises_no_alarm": Change("log_metrics.tf", ' AND NOT jsonPayload.process=\\\"shadow\\\""', '"'),
        "the_fallback_is_told_what_the_functions_have": Change("outputs.tf", 'local.shadow_settings : "${name}=${value}"', 'local.shadow_settings : "${name}: ${value}"'),
        "without_a_shadow_there_is_nothing_of_it": Change("shadow.tf", "var.shadow == null ||", "false ||"),
    },
}  # fmt: skip
