"""The cluster, what it runs, and the load balancer in front of it and of the function."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from infra.resources import Resource, of

# Config Sync's own Kubernetes account.
RECONCILER: Final = "[config-management-system/root-reconciler]"


def the_cluster_is_private_and_protected(resources: Sequence[Resource]) -> Iterator[str]:
    for address, one in of(resources, "google_container_cluster"):
        if not any(each["enable_private_nodes"] for each in one["private_cluster_config"]):
            yield f"{address} has nodes on the internet"
        if any(ip["enabled"] for each in one["control_plane_endpoints_config"] for ip in each["ip_endpoints_config"]):
            yield f"{address} has a control plane with an address"
        if one["deletion_protection"] is not True:
            yield f"{address} may be deleted by mistake"


def backends_fit_together(resources: Sequence[Resource]) -> Iterator[str]:
    serverless = {one["id"] for _, one in of(resources, "google_compute_region_network_endpoint_group")}
    for kind in ("google_compute_backend_service", "google_compute_global_forwarding_rule"):
        for address, one in of(resources, kind):
            if one["load_balancing_scheme"] != "EXTERNAL_MANAGED":
                yield f"{address} cannot share requests out by weight"
    for address, one in of(resources, "google_compute_backend_service"):
        if len({backend["group"] in serverless for backend in one["backend"]}) != 1:
            yield f"{address} mixes a serverless backend with another kind"


def weights_share_out_every_request(resources: Sequence[Resource]) -> Iterator[str]:
    """What a first apply makes; then the weights are not Terraform's."""
    maps = {one["id"]: one for _, one in of(resources, "google_compute_url_map")}
    for address, one in of(resources, "google_compute_target_https_proxy"):
        actions = maps[one["url_map"]]["default_route_action"]
        weights = [each["weight"] for action in actions for each in action["weighted_backend_services"]]
        if sorted(weights) != [0, 100]:
            yield f"{address} has the weights {weights}"


def plain_http_is_redirected(resources: Sequence[Resource]) -> Iterator[str]:
    maps = {one["id"]: one for _, one in of(resources, "google_compute_url_map")}
    plain = {one["id"]: maps[one["url_map"]] for _, one in of(resources, "google_compute_target_http_proxy")}
    rules = dict(of(resources, "google_compute_global_forwarding_rule"))
    for address, one in rules.items():
        if one["target"] in plain:
            redirects = plain[one["target"]]["default_url_redirect"]
            # 301 and 302 turn a POST into a GET.
            kept = [each["redirect_response_code"] for each in redirects if each["https_redirect"]]
            if kept != ["PERMANENT_REDIRECT"]:
                yield f"{address} does not send a POST on to HTTPS"
    redirected = {one["ip_address"] for one in rules.values() if one["target"] in plain}
    for address, one in rules.items():
        if one["ip_address"] not in redirected:
            yield f"{address} has nothing for who leaves out the s"


def the_gateway_finds_what_it_names(resources: Sequence[Resource]) -> Iterator[str]:
    """kubernetes/ names an address and a certificate alike, and the security and TLS policies of its backend."""
    [name] = [
        one["name"].removesuffix("-origin")
        for _, one in of(resources, "google_compute_security_policy")
        if one["name"].endswith("-origin")
    ]
    domains = {one["fqdn"] for _, one in of(resources, "google_compute_global_network_endpoint")}
    wanted = {
        ("google_compute_global_address", f"{name}-gateway"),
        ("google_compute_managed_ssl_certificate", f"{name}-gateway"),
        ("google_compute_ssl_policy", name),
    }
    made = {(one["type"], one["values"].get("name")) for one in resources}
    yield from (f"There is no {kind} {missing}" for kind, missing in sorted(wanted - made))
    for address, one in of(resources, "google_compute_managed_ssl_certificate"):
        if one["name"] == f"{name}-gateway" and set(one["managed"][0]["domains"]) != domains:
            yield f"{address} is not of the name by which the load balancer asks"


def the_cluster_pulls_what_it_runs(resources: Sequence[Resource]) -> Iterator[str]:
    repositories = {one["repository_id"]: one for _, one in of(resources, "google_artifact_registry_repository")}
    names = {one["name"]: one["repository_id"] for one in repositories.values()}
    accounts = {one["email"]: one for _, one in of(resources, "google_service_account")}
    synced = set()
    for address, one in of(resources, "google_gke_hub_feature_membership"):
        source = one["configmanagement"][0]["config_sync"][0]["oci"][0]
        synced.add(one["membership"])
        account = accounts[source["gcp_service_account_email"]]
        repository = repositories[source["sync_repo"].split("/")[2]]
        if any(each["immutable_tags"] for each in repository["docker_config"]):
            yield f"{address} follows a tag that can never move"
        reads = [
            grant["role"]
            for _, grant in of(resources, "google_artifact_registry_repository_iam_member")
            if grant["member"] == account["member"] and names[grant["repository"]] == repository["repository_id"]
        ]
        if reads != ["roles/artifactregistry.reader"]:
            yield f"{address}: its account has {reads} on {repository['repository_id']}"
        acting = {
            (grant["role"], grant["member"].partition(".svc.id.goog")[2])
            for _, grant in of(resources, "google_service_account_iam_member")
            if grant["service_account_id"] == account["name"]
        }
        if acting != {("roles/iam.workloadIdentityUser", RECONCILER)}:
            yield f"{address}: {sorted(acting)} may act as its account"
    for address, one in of(resources, "google_gke_hub_membership"):
        if one["membership_id"] not in synced:
            yield f"{address} runs nothing until somebody uses kubectl"
