"""What happens while pods come and go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kubernetes.rendering import Object, name, of, pods, selects


def a_rollout_takes_no_pod_away_first(objects: Sequence[Object]) -> Iterator[str]:
    for one in of(objects, "Deployment"):
        if one["spec"].get("strategy", {}).get("rollingUpdate", {}).get("maxUnavailable") != 0:
            yield f"{name(one)} ends a pod before another is ready"


def a_drain_takes_one_pod_at_a_time(objects: Sequence[Object]) -> Iterator[str]:
    for owner, pod in pods(objects):
        budgets = [
            one["spec"]
            for one in of(objects, "PodDisruptionBudget")
            if selects(one["spec"]["selector"], pod["metadata"]["labels"])
        ]
        if [budget.get("maxUnavailable") for budget in budgets] != [1]:
            yield f"{owner} may lose all of its pods at once"
        if any(budget.get("unhealthyPodEvictionPolicy") != "AlwaysAllow" for budget in budgets):
            yield f"{owner} keeps a node from being drained when a pod does not answer"


def one_autoscaler_decides(objects: Sequence[Object]) -> Iterator[str]:
    scaled = [one["spec"]["scaleTargetRef"]["name"] for one in of(objects, "HorizontalPodAutoscaler")]
    scaled += [one["spec"]["scaleTargetRef"]["name"] for one in of(objects, "ScaledObject")]
    for one in of(objects, "Deployment"):
        if scaled.count(one["metadata"]["name"]) != 1:
            yield f"{name(one)} has {scaled.count(one['metadata']['name'])} autoscalers"
        if "replicas" in one["spec"]:
            yield f"{name(one)} goes back to {one['spec']['replicas']} replicas whenever it is applied"
    for one in of(objects, "HorizontalPodAutoscaler"):
        kinds = {metric["type"] for metric in one["spec"]["metrics"]}
        if one["spec"]["minReplicas"] == 0 and "External" not in kinds:
            yield f"{name(one)} would never come back from none"


def pods_are_spread(objects: Sequence[Object]) -> Iterator[str]:
    for owner, pod in pods(objects):
        spread = {
            each["topologyKey"]
            for each in pod["spec"].get("topologySpreadConstraints", [])
            if selects(each["labelSelector"], pod["metadata"]["labels"])
        }
        if spread != {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}:
            yield f"{owner} may be in one zone, or on one node"


def what_is_named_exists(objects: Sequence[Object]) -> Iterator[str]:
    """Every reference from one object to another, and every selector, finds something."""
    made = {(one["kind"], one["metadata"]["name"]) for one in objects}
    labels = [pod["metadata"]["labels"] for _, pod in pods(objects)]
    for one in objects:
        spec = one.get("spec", {})
        wanted = [(each.get("kind", "Deployment"), each["name"]) for each in (spec.get("scaleTargetRef"),) if each]
        wanted += [(spec[key]["kind"], spec[key]["name"]) for key in ("targetRef",) if key in spec]
        wanted += [("Gateway", each["name"]) for each in spec.get("parentRefs", [])]
        if one["kind"] == "HTTPRoute":
            wanted += [("Service", each["name"]) for rule in spec["rules"] for each in rule["backendRefs"]]
        if one["kind"] == "ScaledObject":
            wanted += [("TriggerAuthentication", each["authenticationRef"]["name"]) for each in spec["triggers"]]
        if one["kind"] == "Deployment":
            wanted += [("ServiceAccount", spec["template"]["spec"]["serviceAccountName"])]
        yield from (f"{name(one)} names {kind} {missing}" for kind, missing in wanted if (kind, missing) not in made)
        selector = spec.get("podSelector") or spec.get("selector") or {}
        selector = selector if "matchLabels" in selector or not selector else {"matchLabels": selector}
        if selector and not any(selects(selector, each) for each in labels):
            yield f"{name(one)} selects no pod"
