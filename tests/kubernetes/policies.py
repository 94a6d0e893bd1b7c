"""What must be true of every environment, with or without a component.

A policy takes the rendered objects and yields a sentence for each thing that is wrong.
"""

from __future__ import annotations

from typing import Final

from kubernetes import policies_network as network
from kubernetes import policies_pods as pods
from kubernetes import policies_upkeep as upkeep
from kubernetes.rendering import Policy

ALL: Final[tuple[Policy, ...]] = (
    pods.the_namespace_refuses_what_is_not_restricted,
    pods.pods_are_restricted,
    pods.the_root_is_read_only,
    pods.tmp_is_bounded,
    pods.images_are_pinned_by_digest,
    pods.resources_are_bounded,
    pods.probes_ask_our_routes,
    pods.there_is_time_to_load,
    pods.there_is_time_to_drain,
    pods.pods_are_who_terraform_knows,
    pods.no_pod_holds_a_token,
    pods.settings_are_ours,
    pods.a_changed_setting_is_a_rollout,
    network.everything_else_is_denied,
    network.only_the_load_balancer_asks,
    network.names_are_found,
    network.the_metadata_server_is_reached,
    network.only_google_is_called,
    network.the_gateway_is_terraforms,
    network.nobody_goes_around_the_load_balancer,
    network.the_token_goes_no_further,
    network.metrics_are_not_for_everybody,
    network.a_pod_that_is_not_ready_gets_nothing,
    upkeep.a_rollout_takes_no_pod_away_first,
    upkeep.a_drain_takes_one_pod_at_a_time,
    upkeep.one_autoscaler_decides,
    upkeep.pods_are_spread,
    upkeep.what_is_named_exists,
)
