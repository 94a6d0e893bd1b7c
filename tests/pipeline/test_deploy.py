"""What a push to main does, step by step: the steps' own scripts on a copy of this repository."""

from __future__ import annotations

import json
from collections.abc import Iterator
from zipfile import ZipFile

import pytest
import yaml

from contract.rollout.conftest import records
from contract.rollout.revisions import Revision
from models.library import Library
from pipeline.conftest import (
    BASE,
    BEAM,
    CLUSTER,
    CONTROL,
    DIGEST,
    FUNCTIONS,
    IMAGE,
    MANIFESTS,
    NEW,
    OLD,
    PLAN,
    SDK,
    SECRET,
    SERVICES,
    TOKEN,
    Original,
    Pipeline,
    plan_document,
    ready,
)
from pipeline.definitions import Definition
from pipeline.runner import as_late_as_possible, git, order_towards, order_up_to
from serving import release

COMMIT = f"{IMAGE}:{'c' * 40}"


@pytest.fixture(scope="module")
def passed(original: Original, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """A build in which all goes well, in the order of the file."""
    with ready(original, tmp_path_factory.mktemp("passed") / "copy") as pipeline:
        planned = next(rule for rule in pipeline.checkout.rules if " plan " in rule["args"])
        pipeline.rule(**planned, environ={"TF_VAR_fallback_origin_token": TOKEN})
        ran = pipeline.run(_TOKEN=SECRET, _BEAM="true")
        assert ran.failed is None, ran.wrote[str(ran.failed)]
        assert list(ran.wrote) == [step.id for step in Definition.read("cloudbuild.yaml").steps]
        yield pipeline


def test_new_code_gets_the_traffic_and_then_the_cluster_is_told(passed: Pipeline) -> None:
    assert passed.shares == NEW
    assert passed.steps[-2:] == ["shifted 100", "promoted"]
    calls = passed.checkout.calls
    in_this_order = (
        "scripts/test",
        f"docker push --quiet {COMMIT}",
        "gcloud artifacts docker images scan",
        "terraform -chdir=terraform apply",
        f"docker push --quiet {MANIFESTS}",
    )
    places = [next(place for place, call in enumerate(calls) if call.startswith(start)) for start in in_this_order]
    assert places == sorted(places)


def test_the_image_has_the_base_that_its_tag_means_now_and_says_its_commit(passed: Pipeline) -> None:
    builds = passed.checkout.calls_of("docker build --file kubernetes/Dockerfile")
    base = (passed.checkout.root / "kubernetes/Dockerfile").read_text().partition("ARG BASE=")[2].partition("\n")[0]
    for build in builds:
        assert f"--build-arg BASE={base}@{BASE.partition('@')[2]} " in build
        assert f"--build-arg REVISION={git(passed.checkout.root, 'rev-parse', 'HEAD')} " in build
        assert build.endswith(" functions")
    servers, control, beam = builds
    assert "--build-arg REQUIREMENTS=requirements-compiled.txt " in servers
    assert f"--tag {CONTROL}:" in control
    assert "--target control --build-context kit=" in control
    assert f"--tag {BEAM}:" in beam
    assert "--target beam --build-context kit=" in beam
    sdk = (passed.checkout.root / "kubernetes/Dockerfile").read_text().partition("ARG BEAM=")[2].partition("\n")[0]
    assert f"--build-arg BEAM={sdk}@{SDK.partition('@')[2]} " in beam
    assert "--build-arg KIT_REQUIREMENTS=requirements-beam.txt " in beam


@pytest.mark.parametrize("image", [CONTROL, BEAM])
def test_an_image_of_batches_is_scanned_and_its_digest_is_told(passed: Pipeline, image: str) -> None:
    calls = passed.checkout.calls
    pushed = calls.index(f"docker push --quiet {image}:{COMMIT.rpartition(':')[2]}")
    assert pushed < calls.index(f"docker push --quiet {COMMIT}"), "a repeated build would not find it"
    assert any(call.startswith(f"gcloud artifacts docker images scan {image}@{DIGEST} ") for call in calls)
    assert passed.checkout.built_file(f"{image.rpartition('-')[2]}-image") == f"{image}@{DIGEST}\n"


def test_the_cluster_runs_what_was_pushed(passed: Pipeline) -> None:
    text = passed.checkout.built_file("manifests/manifests.yaml")
    deployments = [one["metadata"]["name"] for one in yaml.safe_load_all(text) if one["kind"] == "Deployment"]
    assert deployments == ["http"]  # events are pushed
    images = {
        one["image"] for each in yaml.safe_load_all(text) if each["kind"] == "Deployment"
        for one in each["spec"]["template"]["spec"]["containers"]
    }  # fmt: skip
    assert images == {f"{IMAGE}@{DIGEST}"}


def test_the_archive_is_the_functions_of_this_commit(passed: Pipeline) -> None:
    with ZipFile(passed.checkout.built_file("archive").strip()) as archive:
        assert archive.read("main.py") == (passed.checkout.root / "functions" / "main.py").read_bytes()


def test_the_list_of_parts_is_kept_under_the_digest_of_the_image(passed: Pipeline) -> None:
    kept = f"gs://p-churn-source/sboms/{DIGEST.removeprefix('sha256:')}.spdx.json"
    assert passed.checkout.calls_of("syft") == [
        f"syft scan docker:{COMMIT} --output spdx-json=.cache/build/sbom.spdx.json"
    ]
    assert passed.checkout.calls_of("gcloud storage cp") == [
        f"gcloud storage cp .cache/build/sbom.spdx.json {kept} --no-clobber"
    ]


def test_the_new_revisions_are_asked_with_tokens_of_the_account_itself(passed: Pipeline) -> None:
    account = "churn-deploy@p.iam.gserviceaccount.com"
    assert set(passed.iam.asked) == {(account, passed.cloud.services[name].url) for name in SERVICES}


def test_no_step_needs_what_it_does_not_wait_for(pipeline: Pipeline) -> None:
    ran = pipeline.run(order=as_late_as_possible)
    assert ran.failed is None, ran.wrote[str(ran.failed)]
    assert pipeline.shares == NEW


def test_the_image_of_a_commit_is_built_and_pushed_once(pipeline: Pipeline) -> None:
    pipeline.rule("docker", f"^pull --quiet {COMMIT}$")
    pipeline.rule("gcloud", "images scan", code=1)
    pipeline.run(order=order_towards("scan")).stopped_at("scan")
    assert pipeline.checkout.calls_of("docker build --file kubernetes/Dockerfile") == []
    assert pipeline.checkout.calls_of("docker push") == []
    assert pipeline.checkout.calls_of("docker tag") == [f"docker tag {COMMIT} {IMAGE}:0b1d"]
    assert pipeline.checkout.built_file("image") == f"{IMAGE}@{DIGEST}\n"


def test_without_new_code_no_traffic_moves_and_without_the_fallback_no_cluster_is_told(pipeline: Pipeline) -> None:
    pipeline.plan = plan_document("no-op", manifests="")
    for name in SERVICES:
        pipeline.cloud.services[name].revisions[f"{name}-00001-abc"].archive = pipeline.archive
    ran = pipeline.run()
    assert ran.failed is None, ran.wrote[str(ran.failed)]
    assert "served already" in ran.wrote["rollout"]
    assert "There is no fallback in dev" in ran.wrote["manifests"]
    assert pipeline.nothing_was_deployed()
    assert pipeline.shares == OLD


def test_code_that_was_applied_before_and_has_no_traffic_gets_it(pipeline: Pipeline) -> None:
    """As after a rollout that went back, or when a person has applied the whole plan."""
    pipeline.plan = plan_document("no-op")
    for name in SERVICES:
        pipeline.cloud.services[name].take({f"{name}-00001-abc": 100})
        pipeline.cloud.services[name].deploy(Revision(version="1", archive=pipeline.archive))
    ran = pipeline.run()
    assert ran.failed is None, ran.wrote[str(ran.failed)]
    assert pipeline.shares == NEW
    assert pipeline.checkout.calls_of("terraform -chdir=terraform apply") == []


def test_what_only_seems_to_change_elsewhere_is_left_out_of_the_plan(pipeline: Pipeline) -> None:
    narrow = {"tool": "terraform", "args": "show -json", "says": json.dumps(pipeline.plan), "after": " -target="}
    pipeline.checkout.rules.append(narrow)
    pipeline.plan["resource_changes"].append(CLUSTER)
    ran = pipeline.run(order=order_up_to("plan"))
    assert ran.failed is None, ran.wrote[str(ran.failed)]
    _, second = pipeline.checkout.calls_of("terraform -chdir=terraform plan")
    assert " ".join(f'-target=google_cloudfunctions2_function.this["{name}"]' for name in FUNCTIONS) in second


def test_the_functions_of_all_models_get_new_code_together_and_are_asked_for_their_own(
    pipeline: Pipeline, models: Library
) -> None:
    release(pipeline.store, "flights", models.path("linear10"), runtime="compiled")
    cloud = pipeline.cloud
    others = ("churn-flights-predict", "churn-flights-predict-event")
    for name in others:
        cloud.service(name, Revision(model="flights", version="1"))
        cloud.next[name] = Revision(model="flights", version="1")
    pipeline.plan = plan_document("update", models=["flights"])
    posts = [f"{cloud.base}/deploy/{name}" for name in cloud.services]
    pipeline.rule("terraform", "^-chdir=terraform apply .*?(\\S+/plan)$", reads=PLAN, posts=posts)
    ran = pipeline.run()
    assert ran.failed is None, ran.wrote[str(ran.failed)]
    assert pipeline.shares == NEW
    assert [cloud.services[name].shares() for name in others] == [{f"{name}-00002-abc": 100} for name in others]
    (record,) = records(str(pipeline.store))
    assert record["serves"] == dict.fromkeys(SERVICES, "churn/1") | dict.fromkeys(others, "flights/1")
