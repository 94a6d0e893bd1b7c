"""Who may ask a pod, and whom it may ask."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from kubernetes.rendering import Object, name, of, pods, selects

# https://cloud.google.com/load-balancing/docs/firewall-rules
LOAD_BALANCER: Final = {"35.191.0.0/16", "130.211.0.0/22"}
# https://cloud.google.com/kubernetes-engine/docs/how-to/workload-identity
METADATA: Final = {("169.254.169.252/32", 988), ("169.254.169.254/32", 80)}
# On Dataplane V2 the cache on the node, which Autopilot has, is asked as a pod:
# https://cloud.google.com/kubernetes-engine/docs/how-to/nodelocal-dns-cache
RESOLVERS: Final = ("kube-dns", "node-local-dns")
PRIVATE: Final = {"10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"}


def rules(objects: Sequence[Object], labels: Object, direction: str) -> Iterator[Object]:
    """What the policies of a pod allow, of `ingress` or `egress`."""
    for one in of(objects, "NetworkPolicy"):
        if selects(one["spec"]["podSelector"], labels):
            yield from one["spec"].get(direction, [])


def blocks(rule: Object, side: str) -> set[str]:
    return {peer["ipBlock"]["cidr"] for peer in rule.get(side, []) if "ipBlock" in peer}


def ports(rule: Object) -> set[tuple[str, object]]:
    return {(port.get("protocol", "TCP"), port["port"]) for port in rule.get("ports", [])}


def everything_else_is_denied(objects: Sequence[Object]) -> Iterator[str]:
    whole = [one["spec"] for one in of(objects, "NetworkPolicy") if one["spec"]["podSelector"] == {}]
    for direction in ("Ingress", "Egress"):
        if not any(direction in spec["policyTypes"] and direction.lower() not in spec for spec in whole):
            yield f"{direction} is open where no policy says otherwise"


def only_the_load_balancer_asks(objects: Sequence[Object]) -> Iterator[str]:
    for owner, pod in pods(objects):
        sources = list(rules(objects, pod["metadata"]["labels"], "ingress"))
        addresses = {cidr for rule in sources for cidr in blocks(rule, "from")}
        wanted = LOAD_BALANCER if owner == "Deployment http" else set()
        if addresses != wanted:
            yield f"{owner} is asked by {sorted(addresses)}"
        if any(ports(rule) != {("TCP", "http")} or not rule.get("from") for rule in sources):
            yield f"{owner} is asked by anybody, or on any port"


def names_are_found(objects: Sequence[Object]) -> Iterator[str]:
    for owner, pod in pods(objects):
        asked = [rule for rule in rules(objects, pod["metadata"]["labels"], "egress") if ("UDP", 53) in ports(rule)]
        if not any({"169.254.20.10/32", "169.254.169.254/32"} <= blocks(rule, "to") for rule in asked):
            yield f"{owner} cannot ask the cache on the node, or Cloud DNS"
        peers = [peer["podSelector"]["matchLabels"] for rule in asked for peer in rule["to"] if "podSelector" in peer]
        yield from (f"{owner} cannot ask {app}" for app in RESOLVERS if {"k8s-app": app} not in peers)


def the_metadata_server_is_reached(objects: Sequence[Object]) -> Iterator[str]:
    for owner, pod in pods(objects):
        allowed = {
            (cidr, port)
            for rule in rules(objects, pod["metadata"]["labels"], "egress")
            for cidr in blocks(rule, "to")
            for _, port in ports(rule)
        }
        yield from (f"{owner} cannot reach {cidr}:{port}, and has no identity" for cidr, port in METADATA - allowed)


def only_google_is_called(objects: Sequence[Object]) -> Iterator[str]:
    for owner, pod in pods(objects):
        wide = [
            (peer["ipBlock"], ports(rule))
            for rule in rules(objects, pod["metadata"]["labels"], "egress")
            for peer in rule.get("to", [{"ipBlock": {"cidr": "0.0.0.0/0"}}])
            if not peer.get("ipBlock", {}).get("cidr", "/32").endswith("/32")
        ]
        for block, reached in wide:
            if block["cidr"] != "0.0.0.0/0" or set(block.get("except", [])) != PRIVATE or reached != {("TCP", 443)}:
                yield f"{owner} reaches {block['cidr']} on {sorted(map(str, reached))}"
        if not wide:
            yield f"{owner} cannot call Google's APIs"


def the_gateway_is_terraforms(objects: Sequence[Object]) -> Iterator[str]:
    """The address that terraform/modules/fallback reserves, over TLS with its policy."""
    for one in of(objects, "Gateway"):
        if one["spec"].get("addresses") != [{"type": "NamedAddress", "value": "modelserve-gateway"}]:
            yield f"{name(one)} takes an address that no name leads to"
        if [(listener["protocol"], listener["port"]) for listener in one["spec"]["listeners"]] != [("HTTPS", 443)]:
            yield f"{name(one)} is asked without TLS"
        policies = [
            each
            for each in of(objects, "GCPGatewayPolicy")
            if each["spec"]["targetRef"]["name"] == one["metadata"]["name"]
        ]
        if [policy["spec"]["default"].get("sslPolicy") for policy in policies] != ["modelserve"]:
            yield f"{name(one)} takes old versions of TLS"


def nobody_goes_around_the_load_balancer(objects: Sequence[Object]) -> Iterator[str]:
    policies = {one["spec"]["targetRef"]["name"]: one["spec"]["default"] for one in of(objects, "GCPBackendPolicy")}
    for one in of(objects, "Service"):
        if policies.get(one["metadata"]["name"], {}).get("securityPolicy") != "modelserve-origin":
            yield f"{name(one)} is open to whoever finds its address"
        if one["spec"].get("type", "ClusterIP") != "ClusterIP":
            yield f"{name(one)} has an address of its own"


def routes(objects: Sequence[Object]) -> Iterator[tuple[str, Object]]:
    """Path prefix and rule."""
    for one in of(objects, "HTTPRoute"):
        for rule in one["spec"]["rules"]:
            yield from ((match["path"]["value"], rule) for match in rule["matches"])


def the_token_goes_no_further(objects: Sequence[Object]) -> Iterator[str]:
    for prefix, rule in routes(objects):
        removed = [
            each["requestHeaderModifier"].get("remove", [])
            for each in rule.get("filters", [])
            if "requestHeaderModifier" in each
        ]
        if prefix == "/" and ["X-Modelserve-Origin"] not in removed:
            yield f"{prefix} passes the load balancer's token on"


def metrics_are_not_for_everybody(objects: Sequence[Object]) -> Iterator[str]:
    rewritten = {
        prefix
        for prefix, rule in routes(objects)
        for each in rule.get("filters", [])
        if each["type"] == "URLRewrite" and each["urlRewrite"]["path"]["replacePrefixMatch"] == "/unknown"
    }
    if rewritten != {"/metrics"}:
        yield "/metrics is answered to anybody, as it is not by the function"


def a_pod_that_is_not_ready_gets_nothing(objects: Sequence[Object]) -> Iterator[str]:
    checked = {
        one["spec"]["targetRef"]["name"]: one["spec"]["default"]["config"]["httpHealthCheck"]["requestPath"]
        for one in of(objects, "HealthCheckPolicy")
    }
    for one in of(objects, "Service"):
        if checked.get(one["metadata"]["name"]) != "/health/ready":
            yield f"{name(one)} is sent requests before a model is active"
