"""What must be there because something else is: each policy yields a sentence for what is missing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, Final

import yaml

from infra.relations import serving
from infra.relations.grants import steps_have_their_grants
from infra.relations.sources import Sources, words
from modelserve_control.deploy.rollout.steps import Rollout

Policy = Callable[[Sources], Iterator[str]]

APIS: Final = {
    "google_artifact_registry_": "artifactregistry",
    "google_bigquery_": "bigquery",
    "google_billing_": "billingbudgets",
    "google_cloud_run_": "run",
    "google_cloud_scheduler_": "cloudscheduler",
    "google_cloudbuild_": "cloudbuild",
    "google_cloudfunctions2_": "cloudfunctions",
    "google_compute_": "compute",
    "google_container_": "container",
    "google_eventarc_": "eventarc",
    "google_gke_hub_": "gkehub",
    "google_iap_": "iap",
    "google_kms_": "cloudkms",
    "google_logging_": "logging",
    "google_monitoring_": "monitoring",
    "google_project": "cloudresourcemanager",
    "google_pubsub_": "pubsub",
    "google_secret_manager_": "secretmanager",
    "google_service_account": "iam",
    "google_storage_": "storage",
    "google_workflows_": "workflows",
}
# What is used by more than the type of a resource: a text that says it, and the API.
USED: Final = {
    "google-beta": "serviceusage",
    '"--runner", "DataflowRunner"': "dataflow",
    "binary_authorization {": "binaryauthorization",
    "kms_key_name = var.kms_key": "eventarc",  # which a function with a key of its own asks for
    'name     = "configmanagement"': "anthosconfigmanagement",
    "identity_token": "iamcredentials",
    "images scan": "ondemandscanning",
    "requestedVerifyOption: VERIFIED": "containeranalysis",
}
AGENTS: Final = {
    "artifact_registry": "artifactregistry",
    "compute": "compute",
    "dataflow": "dataflow",
    "eventarc": "eventarc",
    "functions": "cloudfunctions",
    "iap": "iap",
    "pubsub": "pubsub",
    "run": "run",
    "workflows": "workflows",
}
DNS: Final = ("kube-dns", "node-local-dns")
LONGEST: Final = {"account": 30, "service": 46, "bucket": 63}
TAG: Final = Rollout.tag_name.fget(SimpleNamespace(journal=SimpleNamespace(id="0123456789abcdef")))  # type: ignore[attr-defined]  # a property


def every_resource_has_its_api(sources: Sources) -> Iterator[str]:
    enabled = set(re.findall(r'"(\w+)\.googleapis\.com"', sources["terraform/bootstrap/apis.tf"]))
    kinds = {
        block.labels[0] for block in sources.blocks() if len(block.labels) == 2 and block.labels[0] != "time_sleep"
    }
    needed = {api for kind in kinds for start, api in APIS.items() if kind.startswith(start)}
    yield from (f"No API is known for {kind}" for kind in sorted(kinds) if not kind.startswith(tuple(APIS)))
    everything = "".join(sources.texts.values())
    needed |= {api for text, api in USED.items() if text in everything}
    yield from (f"{api} is used and not enabled" for api in sorted(needed - enabled))
    yield from (f"{api} is enabled and not used" for api in sorted(enabled - needed))


def agents_are_made_before_they_are_granted(sources: Sources) -> Iterator[str]:
    made = set(words(re.findall(r"for_each = toset\((.*)\)", sources["terraform/bootstrap/agents.tf"])[0]))
    for name in sorted(set(re.findall(r"local\.agents\.(\w+)", sources.terraform())) - {"monitoring"}):
        if AGENTS.get(name) not in made:
            yield f"{name} is granted something, and bootstrap does not make it"


def names_are_not_too_long(sources: Sources) -> Iterator[str]:
    pattern = re.findall(r'regex\("(.+?)", var\.name\)', sources["terraform/variables.tf"])[0]
    longest = max(length for length in range(64) if re.search(pattern, "a" * length))
    [both] = re.findall(r"length\(var\.name\) \+ length\(key\) <= (\d+)", sources["terraform/variables_models.tf"])
    longest = max(longest, int(both) + len("-"))
    accounts = re.findall(r"^    (\w+) += \"", sources.table("_identities"), re.MULTILINE)
    accounts += [
        one.value("account_id").strip('"').partition("}-")[2] for one in sources.blocks("google_service_account")
    ]
    for name in accounts:
        if longest + 1 + len(name) > LONGEST["account"]:
            yield f"An account NAME-{name} may be longer than {LONGEST['account']}"
    for name in serving.functions(sources):
        if longest + 1 + len(name) + len(TAG) > LONGEST["service"]:
            yield f"A service NAME-{name} leaves no room for the tag of a rollout"
    for name in re.findall(r'^    (?:for .*"\$\{prefix\})?(\w+)"? +=>? \{', sources.table("buckets"), re.MULTILINE):
        if 30 + 1 + longest + 1 + len(name) > LONGEST["bucket"]:
            yield f"A bucket PROJECT-NAME-{name} may be longer than {LONGEST['bucket']}"


def the_gateway_has_its_names(sources: Sources) -> Iterator[str]:
    manifests = [one for one in yaml.safe_load_all(sources["kubernetes/base/gateway.yaml"]) if one]
    [gateway] = [one["spec"] for one in manifests if one["kind"] == "Gateway"]
    [tls] = [one["tls"]["options"] for one in gateway["listeners"]]
    named = {gateway["addresses"][0]["value"], tls["networking.gke.io/pre-shared-certs"]}
    address = sources.block("google_compute_global_address", "gateway").value("name").strip('"')
    if named != {address.replace("${var.name}", "modelserve")}:
        yield f"The Gateway names {sorted(named)}, and Terraform makes {address}"
    certificate = sources.block("google_compute_managed_ssl_certificate", "gateway")
    if certificate.value("name") != "google_compute_global_address.gateway.name":
        yield "The Gateway's certificate is not named as its address"
    domains = (
        certificate.value("domains"),
        sources.block("google_compute_global_network_endpoint", "gateway").value("fqdn"),
    )
    if domains != ("[var.settings.origin_domain]", "var.settings.origin_domain"):
        yield f"The Gateway is asked by {domains[1]} and has a certificate of {domains[0]}"


def backends_get_the_host_that_they_know(sources: Sources) -> Iterator[str]:
    """Cloud Run answers whatever the load balancer was asked for; the Gateway knows its own name only."""
    headers = {
        name: re.findall(r'"Host: (.*?)"', sources.block("google_compute_backend_service", name).body)
        for name in ("function", "gateway")
    }
    if headers != {"function": [], "gateway": ["${var.settings.origin_domain}"]}:
        yield f"The backends are sent these hosts: {headers}"


def the_cluster_can_ask_for_names(sources: Sources) -> Iterator[str]:
    policies: list[Any] = list(yaml.safe_load_all(sources["kubernetes/base/network.yaml"]))
    asked = {
        peer["podSelector"]["matchLabels"]["k8s-app"]
        for policy in policies
        for rule in policy["spec"].get("egress", [])
        if {(port["port"], port.get("protocol")) for port in rule["ports"]} == {(53, "UDP"), (53, "TCP")}
        for peer in rule["to"]
        if "podSelector" in peer
    }
    yield from (f"Pods may not ask {name}" for name in DNS if name not in asked)


def config_sync_asks_as_its_account(sources: Sources) -> Iterator[str]:
    block = sources.block("google_gke_hub_feature_membership", "this")
    if block.value("gcp_service_account_email") and block.value("secret_type") != '"gcpserviceaccount"':
        yield f"With an account the secret_type is gcpserviceaccount and not {block.value('secret_type')}"


def jobs_are_asked_for_as_they_are_called(sources: Sources) -> Iterator[str]:
    trigger, schedule = (
        sources.block("google_cloudbuild_trigger", "job"),
        sources.block("google_cloud_scheduler_job", "this"),
    )
    asked = re.findall(r"(\w+) += \"\$\(body\.message\.attributes\.(\w+)\)\"", trigger.body)
    for name, attribute in asked:
        if trigger.value("filter") != rf'"{name} == \"${{each.key}}\""':
            yield f"{name} is what a message asks for, and the filter is {trigger.value('filter')}"
        if f"{attribute} = each.key" not in schedule.value("attributes"):
            yield f"A schedule does not say {attribute}"
    if not asked:
        yield "No message says which job it asks for"


def files_run_as_the_account_of_their_trigger(sources: Sources) -> Iterator[str]:
    push = dict(re.findall(r'(\w+) += \{ account = "(\w+)"', sources["terraform/build.tf"]))
    job = re.findall(r'this\["(\w+)"\]', sources.block("google_cloudbuild_trigger", "job").value("service_account"))
    known = {"cloudbuild.yaml": push["deploy"], "cloudbuild/test.yaml": push["test"], "cloudbuild/job.yaml": job[0]}
    for path, account in known.items():
        said = yaml.safe_load(sources[path])
        if said["serviceAccount"].replace("${_JOB}", said["substitutions"]["_JOB"]).split("/")[-1] != (
            f"${{_NAME}}-{account}@${{PROJECT_ID}}.iam.gserviceaccount.com"
        ):
            yield f"{path} runs as {said['serviceAccount']}, and its trigger as {account}"


def a_rollout_has_time_for_its_shares(sources: Sources) -> Iterator[str]:
    """For each share its watch; and a deployment, the wait until a revision is ready, the way back."""
    build = yaml.safe_load(sources["cloudbuild.yaml"])
    [step] = [one for one in build["steps"] if one["id"] == "rollout"]
    values = build["substitutions"]
    needed = len(values["_SHARES"].split(",")) * int(values["_WATCH"]) + 3 * 600
    if int(step["timeout"].removesuffix("s")) < needed:
        yield f"A rollout may take {step['timeout']} and needs {needed} s"


ALL: Final[tuple[Policy, ...]] = (
    every_resource_has_its_api,
    agents_are_made_before_they_are_granted,
    steps_have_their_grants,
    names_are_not_too_long,
    the_gateway_has_its_names,
    backends_get_the_host_that_they_know,
    the_cluster_can_ask_for_names,
    config_sync_asks_as_its_account,
    jobs_are_asked_for_as_they_are_called,
    files_run_as_the_account_of_their_trigger,
    a_rollout_has_time_for_its_shares,
    *serving.ALL,
)
