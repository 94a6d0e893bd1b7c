"""What a pod may do, what it is given, and how it is asked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any, Final

from infra.terraform import SOURCE as TERRAFORM
from kubernetes.rendering import Object, containers, name, of, pods
from modelserve.core.errors import BadSetting
from modelserve.core.settings import Settings
from modelserve.models.active import MAX_CLOSED_SECONDS

# What a server of ours takes to end: docs/worker.md.
DRAIN_SECONDS: Final = 10


def the_namespace_refuses_what_is_not_restricted(objects: Sequence[Object]) -> Iterator[str]:
    for one in of(objects, "Namespace"):
        for mode in ("enforce", "audit", "warn"):
            if one["metadata"]["labels"].get(f"pod-security.kubernetes.io/{mode}") != "restricted":
                yield f"{name(one)} does not {mode} the restricted profile"


def pods_are_restricted(objects: Sequence[Object]) -> Iterator[str]:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted"""
    for owner, pod in pods(objects):
        spec = pod["spec"]
        context = spec.get("securityContext", {})
        if context.get("runAsNonRoot") is not True or not context.get("runAsUser"):
            yield f"{owner} may run as root"
        if context.get("seccompProfile") != {"type": "RuntimeDefault"}:
            yield f"{owner} may make any system call"
        if any(spec.get(shared) for shared in ("hostNetwork", "hostPID", "hostIPC")):
            yield f"{owner} is in the node's own namespaces"
        if any(set(volume) - {"name", "emptyDir", "configMap", "projected"} for volume in spec.get("volumes", [])):
            yield f"{owner} mounts what is not its own"
    for owner, container in containers(objects):
        context = container.get("securityContext", {})
        if context.get("allowPrivilegeEscalation") is not False or context.get("privileged"):
            yield f"{owner} may become root"
        if context.get("capabilities") != {"drop": ["ALL"]}:
            yield f"{owner} has capabilities"


def the_root_is_read_only(objects: Sequence[Object]) -> Iterator[str]:
    for owner, container in containers(objects):
        if container["securityContext"].get("readOnlyRootFilesystem") is not True:
            yield f"{owner} may write into its image"
        if [mount["mountPath"] for mount in container.get("volumeMounts", [])] != ["/tmp"]:
            yield f"{owner} needs /tmp, and nothing else, to write into"


def tmp_is_bounded(objects: Sequence[Object]) -> Iterator[str]:
    for owner, pod in pods(objects):
        if not all(volume["emptyDir"].get("sizeLimit") for volume in pod["spec"]["volumes"] if "emptyDir" in volume):
            yield f"{owner} may fill its node's disk"


def images_are_pinned_by_digest(objects: Sequence[Object]) -> Iterator[str]:
    for owner, container in containers(objects):
        if not re.fullmatch(r"[^@]+-docker\.pkg\.dev/[^@]+@sha256:[0-9a-f]{64}", container["image"]):
            yield f"{owner} runs whatever {container['image']} is at the time"


def resources_are_bounded(objects: Sequence[Object]) -> Iterator[str]:
    for owner, container in containers(objects):
        requests, limits = container["resources"].get("requests", {}), container["resources"].get("limits", {})
        for resource in ("cpu", "memory", "ephemeral-storage"):
            if resource not in requests or resource not in limits:
                yield f"{owner} does not say how much {resource} it needs"
        if requests.get("memory") != limits.get("memory"):
            yield f"{owner} may be killed for memory that it was not promised"


def probes_ask_our_routes(objects: Sequence[Object]) -> Iterator[str]:
    routes = {"startupProbe": "/health/live", "livenessProbe": "/health/live", "readinessProbe": "/health/ready"}
    for owner, container in containers(objects):
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        for probe, route in routes.items():
            asked = container.get(probe, {}).get("httpGet", {})
            if asked.get("path") != route or ports.get(asked.get("port")) != 8080:
                yield f"{owner}: its {probe} does not ask {route} on port 8080"


def there_is_time_to_load(objects: Sequence[Object]) -> Iterator[str]:
    """The port is closed meanwhile."""
    for owner, container in containers(objects):
        probe = container["startupProbe"]
        if probe["periodSeconds"] * probe["failureThreshold"] <= MAX_CLOSED_SECONDS:
            yield f"{owner} is started again while its version loads"


def there_is_time_to_drain(objects: Sequence[Object]) -> Iterator[str]:
    for owner, pod in pods(objects):
        for container in pod["spec"]["containers"]:
            sleep = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
            if pod["spec"].get("terminationGracePeriodSeconds", 30) <= sleep + DRAIN_SECONDS:
                yield f"{owner} is killed while it still answers"
            served = any(
                one["spec"]["selector"].items() <= pod["metadata"]["labels"].items() for one in services(objects)
            )
            if served and not sleep:
                yield f"{owner} ends while the load balancer still sends to it"


def services(objects: Sequence[Object]) -> Iterator[Object]:
    return of(objects, "Service")


def pods_are_who_terraform_knows(objects: Sequence[Object]) -> Iterator[str]:
    """Terraform grants by names, so a pod of another name may read no model."""
    granted = re.search(r"subject/ns/(\S+)/sa\"", (TERRAFORM / "fallback.tf").read_text())
    known = set(re.findall(r'"\$\{local\._pods\}/(\w+)"', (TERRAFORM / "fallback.tf").read_text()))
    for one in of(objects, "Deployment"):
        account = one["spec"]["template"]["spec"].get("serviceAccountName", "default")
        if not granted or one["metadata"]["namespace"] != granted[1] or account not in known:
            yield f"{name(one)} runs as {one['metadata']['namespace']}/{account}, which is granted nothing"


def no_pod_holds_a_token(objects: Sequence[Object]) -> Iterator[str]:
    for one in of(objects, "ServiceAccount"):
        if one.get("automountServiceAccountToken") is not False:
            yield f"{name(one)} gives its token to every pod"
        if "annotations" in one["metadata"]:
            yield f"{name(one)} borrows an account of Google's"
    for owner, pod in pods(objects):
        if pod["spec"].get("automountServiceAccountToken") is not False:
            yield f"{owner} holds a token of the cluster that it does not need"


def settings(objects: Sequence[Object]) -> dict[str, Any]:
    """The data of each ConfigMap by its name."""
    return {one["metadata"]["name"]: one["data"] for one in of(objects, "ConfigMap")}


def settings_are_ours(objects: Sequence[Object]) -> Iterator[str]:
    for given, values in settings(objects).items():
        for unknown in sorted(values.keys() - {setting.name.upper() for setting in fields(Settings)}):
            yield f"ConfigMap {given} sets {unknown}, which docs/settings.md does not have"
        missing = {"MODEL_URI", "SUBSCRIPTION", "PREDICTIONS_TOPIC", "DEAD_LETTER_TOPIC"} - values.keys()
        if missing:
            yield f"ConfigMap {given} does not set {', '.join(sorted(missing))}"
        try:
            Settings.from_environ(values)
        except BadSetting as error:
            yield f"ConfigMap {given}: {error.message}"


def a_changed_setting_is_a_rollout(objects: Sequence[Object]) -> Iterator[str]:
    known = settings(objects)
    for given in known:
        if not re.fullmatch(r".+-[a-z0-9]{10}", given):
            yield f"ConfigMap {given} may change without a rollout"
    for owner, container in containers(objects):
        if [source["configMapRef"]["name"] for source in container.get("envFrom", [])] != list(known):
            yield f"{owner} does not take its settings from the ConfigMap"
