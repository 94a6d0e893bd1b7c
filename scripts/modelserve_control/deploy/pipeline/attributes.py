"""What the plan of a build may change, by the names of attributes.

Whatever is not here needs somebody who may do more: who may reach a function, as whom it runs, what it may read.
"""

from typing import Final

# Of a function: its code and how much of a machine it gets, which the rollout then tries before it has traffic.
MAY_CHANGE: Final = frozenset(
    {
        "build_config.entry_point",
        "build_config.runtime",
        "build_config.source.storage_source.object",
        "description",
        "labels",
        "service_config.available_cpu",
        "service_config.available_memory",
        "service_config.environment_variables",
        "service_config.max_instance_count",
        "service_config.max_instance_request_concurrency",
        "service_config.min_instance_count",
        "service_config.timeout_seconds",
    }
)

# Maps and lists that are one attribute, whatever is in them.
WHOLE: Final = frozenset({"labels", "effective_labels", "terraform_labels", "service_config.environment_variables"})

# What only Google says of a function, or of what is in the table below: known after the apply.
OUTPUTS: Final = frozenset(
    {
        "build_config.build",
        "build_config.source.storage_source.generation",
        "effective_labels",
        "environment",
        "id",
        "service_config.gcf_uri",
        "service_config.service",
        "service_config.uri",
        "state",
        "terraform_labels",
        "update_time",
        "url",
    }
)

# What the API answers otherwise than it was told, so that a plan shows a change where there is none.
REPORTED_OTHERWISE: Final = {
    # True as long as all requests go to the latest revision: magic-modules#16981.
    "google_cloudfunctions2_function": {"service_config.all_traffic_on_latest_revision"},
    # A block without immutable tags is not sent, and then not answered.
    "google_artifact_registry_repository": {"docker_config", "docker_config.immutable_tags"},
    # Unset with IP endpoints off, provider 7.
    "google_container_cluster": {"private_cluster_config.enable_private_endpoint"},
}
