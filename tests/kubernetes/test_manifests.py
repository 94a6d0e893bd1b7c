"""What is rendered is what the API servers of three minor versions accept, and what Terraform makes is what it names."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest

from infra.terraform import SOURCE as TERRAFORM
from infra.terraform import Change
from kubernetes.rendering import COMPONENTS, ENVIRONMENTS, SOURCE, Object, changed, containers, name, of, rendered, run
from kubernetes.schemas import SCHEMAS

VERSIONS = ("1.35", "1.36", "1.37")
EVERYTHING = [(environment, component) for environment in ENVIRONMENTS for component in COMPONENTS]


@cache
def objects(environment: str, component: str = "") -> list[Object]:
    return rendered(environment, component)


def refused(one: Object, version: str) -> str:
    """Why a server would not take it; empty when it would."""
    return why(json.dumps(one), version)


@cache  # most objects are the same in every environment
def why(text: str, version: str) -> str:
    one = json.loads(text)
    try:
        if one["kind"] in SCHEMAS:
            jsonschema.validate(one, SCHEMAS[one["kind"]])
        else:
            kubernetes_validate.validate(one, version, strict=True)
    except (jsonschema.ValidationError, kubernetes_validate.ValidationError) as error:
        return f"{name(one)}: {error.message}"
    return ""


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("environment", "component"), EVERYTHING)
def test_every_object_is_accepted(environment: str, component: str, version: str) -> None:
    found = objects(environment, component)
    assert len(found) >= (18 if component == "push" else 21)
    assert [text for text in (refused(one, version) for one in found) if text] == []


def test_every_schema_is_of_a_kind_that_is_rendered() -> None:
    assert set(SCHEMAS) <= {one["kind"] for case in EVERYTHING for one in objects(*case)}


def test_a_field_that_no_server_knows_is_noticed() -> None:
    for one in (one for component in COMPONENTS for one in objects("prod", component)):
        field = "spec" if "spec" in one else "metadata"
        assert "nowhere" in refused(one | {field: one[field] | {"nowhere": True}}, VERSIONS[-1]), name(one)


def test_every_object_is_in_the_namespace() -> None:
    for case in EVERYTHING:
        assert {one["metadata"].get("namespace") for one in objects(*case)} == {None, "modelserve"}
        assert [name(one) for one in objects(*case) if "namespace" not in one["metadata"]] == ["Namespace modelserve"]


# --- the image ---


def test_the_image_that_the_build_wrote_is_what_runs() -> None:
    digest = "sha256:" + "f" * 64
    done = run("prod", f"us-docker.pkg.dev/other/images/modelserve@{digest}")
    assert done.stdout.count(f"image: us-docker.pkg.dev/other/images/modelserve@{digest}\n") == 2


@pytest.mark.parametrize("image", ["", "a/modelserve", "a/modelserve:latest", "a/modelserve@sha256:abc"])
def test_an_image_that_may_change_is_refused(image: str) -> None:
    done = run("prod", image)
    assert (done.returncode, done.stdout) == (2, "")
    assert "NAME@sha256:DIGEST" in done.stderr


def test_rendering_leaves_nothing_behind(tmp_path: Path) -> None:
    copy = changed(tmp_path)
    before = sorted(copy.rglob("*"))
    rendered("dev", source=copy)
    assert run("nowhere", "a@sha256:" + "0" * 64, source=copy).returncode != 0
    assert sorted(copy.rglob("*")) == before


# --- settings ---


def test_another_value_is_another_name(tmp_path: Path) -> None:
    other = changed(tmp_path, Change("overlays/dev/settings.env", "@champion", "@challenger"))
    names = [
        {source["configMapRef"]["name"] for _, container in containers(found) for source in container["envFrom"]}
        for found in (objects("dev"), rendered("dev", source=other))
    ]
    assert len(names[0]) == len(names[1]) == 1
    assert names[0] != names[1]


# --- what Terraform makes ---


def variable(environment: str, variable: str) -> str:
    text = (TERRAFORM / "environments" / f"{environment}.tfvars").read_text()
    return str(re.findall(rf'^\s*{variable}\s+= "(.+)"', text, re.MULTILINE)[-1])


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_an_environment_names_what_terraform_makes_in_its_own(environment: str) -> None:
    project, region, model = (variable(environment, word) for word in ("project_id", "region", "name"))
    settings = next(of(objects(environment), "ConfigMap"))["data"]
    assert settings == {
        "METRICS": "true",
        "MODEL_URI": f"gs://{project}-modelserve-models/models/{model}@champion",
        "SUBSCRIPTION": f"projects/{project}/subscriptions/modelserve-events",
        "PREDICTIONS_TOPIC": f"projects/{project}/topics/modelserve-predictions",
        "DEAD_LETTER_TOPIC": f"projects/{project}/topics/modelserve-dead-letter",
    }
    overlay = (SOURCE / "overlays" / environment / "kustomization.yaml").read_text()
    assert f"newName: {region}-docker.pkg.dev/{project}/modelserve-images/modelserve\n" in overlay


@pytest.mark.parametrize(
    ("file", "made"),
    [
        ("variables.tf", 'default     = "modelserve"'),
        ("store.tf", '"${var.project_id}-${var.name}-${each.key}"'),
        ("topics.tf", '["dead_letter", "input", "predictions"]'),
        ("topics.tf", '"${var.name}-${replace(each.key, "_", "-")}"'),
        ("subscriptions.tf", '"${var.name}-${each.value.prefix}events"'),
        ("registry.tf", '"${var.name}-${each.key}"'),
        ("modules/fallback/backends.tf", '"${var.name}-gateway"'),
        ("modules/fallback/armor.tf", '"${var.name}-origin"'),
        ("modules/fallback/armor.tf", "request.headers['x-modelserve-origin']"),
        (
            "modules/fallback/load_balancer.tf",
            'resource "google_compute_ssl_policy" "this" {\n  name            = var.name',
        ),
    ],
)
def test_terraform_names_it_so(file: str, made: str) -> None:
    assert made in (TERRAFORM / file).read_text()


# --- components ---


def test_keda_watches_the_workers_subscription() -> None:
    scaled = next(of(objects("staging", "keda"), "ScaledObject"))
    watched = {trigger["metadata"]["subscriptionName"] for trigger in scaled["spec"]["triggers"]}
    assert watched == {"projects/example-staging/subscriptions/modelserve-events"}


def test_scaling_to_zero_reads_the_metric_of_the_workers_subscription() -> None:
    found = objects("prod", "scale-to-zero")
    metric = next(of(found, "AutoscalingMetric"))
    query = metric["spec"]["metrics"][0]["promql"]
    assert '"pubsub.googleapis.com/subscription/num_undelivered_messages"' in query["query"]
    assert 'subscription_id="modelserve-events"' in query["query"]
    autoscalers = {one["metadata"]["name"]: one["spec"] for one in of(found, "HorizontalPodAutoscaler")}
    assert autoscalers["worker"]["minReplicas"] == 0
    read = autoscalers["worker"]["metrics"][0]["external"]["metric"]["name"]
    assert read == f"autoscaling.gke.io|{metric['metadata']['name']}|{query['name']}"
    assert autoscalers["http"]["minReplicas"] == 2


@pytest.mark.parametrize("beside", ["", "keda", "scale-to-zero"])
def test_while_events_are_pushed_no_pod_waits_for_them(tmp_path: Path, beside: str) -> None:
    added = f"components: [../../components/{beside}]\nresources:"
    change = [Change("overlays/prod/kustomization.yaml", "resources:", added)] if beside else []
    pushed = rendered("prod", "push", changed(tmp_path, *change))
    assert [name(one) for one in of(pushed, "Deployment")] == ["Deployment http"]
    kept = {"ServiceAccount"}
    assert [name(one) for one in pushed if one["metadata"]["name"] == "worker" and one["kind"] not in kept] == []


def test_an_overlay_with_a_challenger_gives_each_pod_twice_the_room(tmp_path: Path) -> None:
    source = changed(
        tmp_path,
        Change("overlays/prod/settings.env", "MODEL_URI=", "SHADOW_PERCENT=10\nMODEL_URI="),
        Change("overlays/prod/kustomization.yaml", "resources:", "components: [../../components/shadow]\nresources:"),
    )
    alone, beside = objects("prod"), rendered("prod", source=source)
    assert next(of(beside, "ConfigMap"))["data"]["SHADOW_PERCENT"] == "10"
    for resource in ("memory", "ephemeral-storage"):
        found = [gibibytes(each, resource) for each in (alone, beside)]
        assert len(found[0]) == 4
        assert found[1] == [2 * size for size in found[0]]
    disks = [[one["spec"]["template"]["spec"]["volumes"] for one in of(each, "Deployment")] for each in (alone, beside)]
    assert str(disks[1]) == str(disks[0]).replace("'sizeLimit': '1Gi'", "'sizeLimit': '2Gi'") != str(disks[0])


def gibibytes(found: list[Object], resource: str) -> list[int]:
    """What each container requests, and its limit."""
    return [
        int(container["resources"][bound][resource].removesuffix("Gi"))
        for _, container in containers(found)
        for bound in ("requests", "limits")
    ]
