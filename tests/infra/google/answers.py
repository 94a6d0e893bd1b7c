"""What the API answers, where that is not what it was sent."""

from __future__ import annotations

from typing import Any, Final

from infra.values import Values, at

ADDRESSES: Final = "control_plane_endpoints_config.ip_endpoints_config.enabled"


def put(values: Any, path: str, answer: str) -> None:
    """`answer` at the end of `path`, in each of the blocks on the way."""
    name, _, rest = path.partition(".")
    for one in values if isinstance(values, list) else [values]:
        if rest:
            put(one.get(name) or [], rest, answer)
        else:
            one[name] = answer


def answer(kind: str, values: Values, *, pinned: bool) -> Values:
    if kind == "google_cloudfunctions2_function":
        # Row 4: true while the service routes to its latest revision, whatever was asked for. magic-modules#16981
        for one in values["service_config"]:
            one["all_traffic_on_latest_revision"] = not pinned or one["all_traffic_on_latest_revision"] is True
    if kind == "google_container_cluster" and False in at(values, ADDRESSES):
        # Row 6: an endpoint without addresses is private. Provider commit eea306e0a1
        for one in values.get("private_cluster_config") or []:
            one["enable_private_endpoint"] = True
    if kind == "google_artifact_registry_repository" and not any(at(values, "docker_config.immutable_tags")):
        # Row 19: what is false is not sent, and no block is answered.
        values["docker_config"] = []
    return values
