"""What must be true of everything that is made, whatever the variables say.

A policy takes the resources of a state and yields a sentence for each thing that is wrong. Values that the provider
would make up are made up by Terraform's mock: they are the same wherever one resource names another.
"""

from __future__ import annotations

from typing import Final

from infra import policies_access as access
from infra import policies_apply as apply
from infra import policies_batches as batches
from infra import policies_console as console
from infra import policies_encryption as encryption
from infra import policies_events as events
from infra import policies_fallback as fallback
from infra import policies_log as log
from infra import policies_upkeep as upkeep
from infra.resources import Policy

ALL: Final[tuple[Policy, ...]] = (
    access.nobody_is_public,
    access.grants_on_the_project_are_listed,
    access.grants_take_nothing_from_others,
    access.there_are_no_keys,
    access.functions_only_read_models,
    access.versions_cannot_be_overwritten,
    access.retraining_writes_no_record_of_a_rollout,
    access.only_who_serves_tells_of_a_shadow,
    access.only_who_releases_reads_of_a_shadow,
    log.only_who_serves_logs_predictions,
    log.the_log_has_the_columns_that_are_written,
    batches.batches_run_as_an_account_of_their_own,
    batches.batches_are_commands_that_exist,
    batches.batches_reach_the_tables_that_they_name_and_no_others,
    batches.workers_have_an_account_of_their_own_and_no_address_outside,
    batches.what_workers_keep_is_encrypted,
    batches.batches_run_what_a_digest_names,
    batches.failed_batches_are_noticed,
    batches.what_keeps_nothing_can_be_taken_away,
    batches.what_is_written_does_not_arrive,
    console.the_console_is_behind_the_proxy,
    console.the_console_is_a_command_that_only_shows,
    console.the_console_only_reads,
    access.functions_run_and_build_as_accounts_of_their_own,
    access.builds_have_an_account_of_their_own,
    access.what_changes_production_is_approved,
    access.what_is_made_for_a_model_names_nothing_of_another,
    apply.updates_are_waited_for,
    apply.only_images_for_the_cluster_are_final,
    apply.an_archive_that_is_served_stays,
    events.topics_keep_their_messages,
    events.subscriptions_do_not_expire,
    events.dead_letters_arrive_and_stay,
    events.what_is_pushed_has_a_dead_letter_policy,
    events.the_ack_deadline_covers_the_timeout,
    events.an_outage_costs_no_message,
    events.pushes_are_signed_by_an_account_of_their_own,
    encryption.what_is_kept_is_encrypted,
    upkeep.buckets_are_hardened,
    upkeep.functions_share_a_model,
    upkeep.functions_take_as_many_requests_as_they_are_sent,
    upkeep.images_are_cleaned_up,
    upkeep.tables_are_protected,
    fallback.the_cluster_is_private_and_protected,
    fallback.backends_fit_together,
    fallback.weights_share_out_every_request,
    fallback.plain_http_is_redirected,
    fallback.the_gateway_finds_what_it_names,
    fallback.the_cluster_pulls_what_it_runs,
    upkeep.failed_jobs_are_noticed,
    upkeep.every_way_in_is_checked,
    upkeep.a_good_answer_passes_a_check,
    upkeep.alerts_say_what_to_do,
    upkeep.metrics_exist,
)
