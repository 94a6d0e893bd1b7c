"""For each rule the smallest change of the configuration that breaks it."""

from __future__ import annotations

from typing import Final

from infra.terraform import Change

# What the changes add, and the configuration never has.
FORBIDDEN: Final = {"google_pubsub_topic_iam_binding", "google_service_account_key"}

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
        "# To deploy a function",
        'resource "google_service_account_key" "deploy" {\n  service_account_id = google_service_account.this["deploy"].name\n}\n\n# To deploy a function',
    ),
    "callers_are_granted_on_the_service": Change("invokers.tf", "roles/cloudfunctions.developer", "roles/run.invoker"),
    "functions_only_read_models": Change("store.tf", "models/http/roles/storage.objectViewer", "models/http/roles/storage.objectCreator"),
    "versions_cannot_be_overwritten": Change(
        "store.tf",
        '"models/retrain/roles/storage.objectUser"    = local._alias_objects',
        '"models/retrain/roles/storage.objectUser"    = null',
    ),
    "buckets_are_hardened": Change("store.tf", 'public_access_prevention    = "enforced"', 'public_access_prevention    = "inherited"'),
    "topics_keep_their_messages": Change("build.tf", 'message_retention_duration = "86400s"', "message_retention_duration = null"),
    "subscriptions_do_not_expire": Change("tables.tf", 'ttl = ""', 'ttl = "2678400s"'),
    "dead_letters_arrive_and_stay": Change("subscriptions.tf", '"roles/pubsub.subscriber"', '"roles/pubsub.viewer"'),
    "what_is_pushed_has_a_dead_letter_policy": Change(
        "subscriptions.tf",
        'dead_letter_policy {\n    dead_letter_topic     = google_pubsub_topic.this["dead_letter"].id\n    max_delivery_attempts = var.delivery.max_attempts\n  }',
        "",
    ),
    "the_ack_deadline_covers_the_timeout": Change("subscriptions.tf", "max(10, var.predict_event.timeout_seconds)", "10"),
    "pushes_are_signed_by_an_account_of_their_own": Change("subscriptions.tf", 'this["push"].email', 'this["event"].email'),
    "functions_share_a_model": Change(
        "functions.tf", "local._common_settings)", 'local._common_settings, { MODEL_URI = "gs://${each.key}" })'
    ),
    "functions_take_as_many_requests_as_they_are_sent": Change("functions.tf", 'FUNCTION_USE_ASGI = "true"', 'FUNCTION_USE_ASGI = "false"'),
    "functions_run_and_build_as_accounts_of_their_own": Change("functions.tf", 'identity = "http"', 'identity = "event"'),
    "builds_have_an_account_of_their_own": Change("build.tf", 'account = "test"', 'account = "deploy"'),
    "what_changes_production_is_approved": Change(
        "build.tf", "retrain = { approval = var.deploy_needs_approval }", "retrain = { approval = false }"
    ),
    "images_are_cleaned_up": Change("registry.tf", "cleanup_policy_dry_run = false", "cleanup_policy_dry_run = true"),
    "tables_are_protected": Change("tables.tf", "deletion_protection = var.deletion_protection", "deletion_protection = false"),
    "the_cluster_is_private_and_protected": Change(
        "modules/fallback/cluster.tf", "enable_private_nodes = true", "enable_private_nodes = false"
    ),
    "backends_fit_together": Change(
        "modules/fallback/backends.tf",
        "group = google_compute_region_network_endpoint_group.function.id\n  }",
        "group = google_compute_region_network_endpoint_group.function.id\n  }\n\n"
        "  backend {\n    group = google_compute_global_network_endpoint_group.gateway.id\n  }",
    ),
    "weights_share_out_every_request": Change("modules/fallback/load_balancer.tf", "100 - var.weight", "1000 - var.weight"),
    "alerts_say_what_to_do": Change("uptime.tf", "    content = ", '    content = "" # '),
    "metrics_exist": Change("dashboard.tf", "container/instance_count", "container/instances"),
}  # fmt: skip

# One change for each run of tests/rules.tftest.hcl and tests/fallback.tftest.hcl.
RULES: Final = {
    "everything_is_made_at_once": Change("functions.tf", "for_each    = local.functions", 'for_each    = { predict_event = local.functions["predict_event"] }'),
}  # fmt: skip
