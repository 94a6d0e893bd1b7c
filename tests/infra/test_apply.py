"""Each environment from nothing, by one apply, and what comes after it: nothing to change, a build, the end."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bucket_server import bucket_server
from contract.beam.dataflow import beam_python, submit
from infra.conftest import NEWEST
from infra.environments import ENVIRONMENTS, REGION, UNPINNED, Project, differences, project
from infra.google import calls
from infra.terraform import SOURCE, Change
from infra.wheels import PROVIDERS
from modelserve_control.deploy.pipeline import check_plan
from serving import release

if TYPE_CHECKING:
    from models.library import Library  # imports mlflow, which takes seconds

MOVED = re.compile(r"^moved \{\n  from = ([\w.]+)\[(.+)\]\n  to   = ([\w.]+)\[(.+)\]\n\}", re.MULTILINE)
NEXT = "modelserve-fedcba9876543210.zip"


pytestmark = pytest.mark.usefixtures("stand_in")


@pytest.fixture(scope="module", params=ENVIRONMENTS)
def applied(
    stand_in: None, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    with project(request.param, NEWEST, tmp_path_factory.mktemp(request.param)) as made:
        made.bootstrap()
        made.apply()
        yield made


def test_one_apply_makes_all_in_an_order_that_the_configuration_asks_for(applied: Project) -> None:
    assert len(applied.cloud.resources) > 100
    assert applied.luck() == []


@pytest.mark.parametrize("applied", ["dev"], indirect=True)
def test_another_model_comes_and_goes_and_nothing_of_the_first_is_made_anew(applied: Project) -> None:
    alone = set(applied.cloud.resources)
    more = "-var=models={flights={}}"
    changes = applied.plan(more)["resource_changes"]
    anew = {one["address"] for one in changes if "delete" in one["change"]["actions"]}
    assert anew == {"time_sleep.grants"}, "new grants get their minute, and nothing else is made anew"
    applied.apply(more)
    assert applied.luck() == []
    assert differences(applied.plan(more)) == []
    applied.apply()
    assert {key for key in applied.cloud.resources if key[0] != "time_sleep"} == {
        key for key in alone if key[0] != "time_sleep"
    }


def test_every_identity_may_do_what_it_does_and_no_more(applied: Project) -> None:
    assert applied.refusal() is None
    assert [row for row in calls.NEVER if applied.may(*row)] == []


@pytest.mark.timeout(600)  # the first time it installs Beam, 200 MB
def test_beam_makes_a_job_of_what_the_batch_on_dataflow_is_started_with(
    applied: Project, models: Library, tmp_path: Path
) -> None:
    """From the arguments that were applied to the job in the form of Dataflow's API, by Beam's own parser, check and client."""
    if not applied.everything:
        return
    name = f"projects/{applied.cloud.project}/locations/{REGION}/jobs/modelserve-batch-large"
    [container] = applied.cloud.resources["google_cloud_run_v2_job", name]["template"][0]["template"][0]["containers"]
    assert container["command"] == ["modelserve"]
    release(tmp_path / "store", "churn", models.path("churn"), {}, runtime="compiled")
    with bucket_server() as gcs:
        made = submit(beam_python(), gcs, tmp_path / "store", container["args"], tmp_path)
    assert made.job, made.log
    assert [text in made.log for text in ("Unparseable argument", "Discarding", "anonymous")] == [False] * 3, made.log
    environment = made.job["environment"]
    [pool] = environment["workerPools"]
    assert made.job["labels"] == {"application": "modelserve", "batch": "large", "environment": "prod"}
    assert environment["serviceAccountEmail"] == applied.account("dataflow")
    assert environment["serviceKmsKeyName"].endswith("/cryptoKeys/modelserve")
    assert [one["containerImage"] for one in pool["sdkHarnessContainerImages"]] == [container["image"]]
    assert pool["autoscalingSettings"] == {"maxNumWorkers": 20}
    assert pool["ipConfiguration"] == "WORKER_IP_PRIVATE"
    assert pool["subnetwork"] == f"regions/{REGION}/subnetworks/default"
    assert pool["machineType"] == "n2-standard-4"
    assert {one.rpartition("/")[2] for one in made.staged} == {"pipeline.pb", "submission_environment_dependencies.txt"}


def test_each_grant_api_and_account_is_missed_when_it_is_taken_away(applied: Project) -> None:
    """What is there for those who switch more on is missed where all is on."""
    if applied.everything:
        missed = {key: refusal is not None for key, refusal in applied.without_each()}
        assert len(missed) > 100
        assert missed == {key: not applied.is_held_twice(key) for key in missed}


def test_nothing_is_left_to_change_then_a_build_deploys_and_all_can_be_taken_away(applied: Project) -> None:
    """Until a rollout has pinned a revision a plan shows what row 4 says, where there are rollouts."""
    prefixes = ("", "flights-") if applied.everything else ("",)
    functions = {
        f'google_cloudfunctions2_function.this["{prefix}{name}"]'
        for prefix in prefixes
        for name in ("predict", "predict_event")
    }
    assert set(differences(applied.plan())) == {f"{name} {UNPINNED}" for name in functions if applied.everything}

    applied.cloud.caller = applied.account("deploy")
    plan = applied.plan("-refresh=false", archive=NEXT)
    assert set(check_plan.changes(plan)) == functions
    applied.workspace.check("apply", "plan")

    applied.cloud.caller = None
    applied.cloud.pinned = True
    applied.use()
    if applied.protected and not applied.everything:
        refused = applied.workspace.run("apply", "-auto-approve", "-destroy", *applied.variables)
        assert refused.returncode == 1
        assert "is not empty" in refused.stderr
        assert "is protected: deletion_protection is true" in refused.stderr
    applied.destroy()
    assert applied.cloud.resources.keys() == applied.before


def test_the_oldest_provider_needs_no_more_and_nothing_is_made_anew_for_the_state_of_an_older_configuration(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with project("everything", min(PROVIDERS), tmp_path_factory.mktemp("oldest")) as made:
        made.bootstrap()
        made.apply()
        made.cloud.pinned = True
        assert differences(made.plan()) == []
        made.store.states["/state"] = before_moves(made.store.states["/state"])
        assert differences(made.plan()) == []


def before_moves(state: bytes) -> bytes:
    """`state` with the addresses that resources had before `moved` blocks gave them others."""
    text = "".join(path.read_text() for path in sorted(SOURCE.rglob("*.tf")))
    moves = MOVED.findall(text)
    assert len(moves) == len(re.findall(r"^moved \{", text, re.MULTILINE)), "there are moves that are not undone here"
    document = json.loads(state)
    known = {f"{one['type']}.{one['name']}": one["instances"] for one in document["resources"] if "module" not in one}
    for before, key_before, after, key in moves:
        [moved] = [one for one in known[after] if one.get("index_key") == json.loads(key)]
        known[after].remove(moved)
        known[before].append(moved | {"index_key": json.loads(key_before)})
    return json.dumps(document).encode()


# What the plan after the apply would change, and what went well only by luck.
UNSETTLED = (
    Change("registry.tf", "for_each = each.value.immutable_tags ? [1] : []\n    content {\n      immutable_tags = true", "for_each = [1]\n    content {\n      immutable_tags = each.value.immutable_tags"),
    Change("modules/fallback/cluster.tf", "    enable_private_endpoint = true", "    # enable_private_endpoint = true"),
    Change("project_grants.tf", '"60s"', '"6s"'),
)  # fmt: skip


def test_what_would_differ_for_ever_and_a_wait_that_is_too_short_are_seen(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with project("everything", min(PROVIDERS), tmp_path_factory.mktemp("unsettled"), *UNSETTLED) as made:
        made.bootstrap()
        made.apply()
        made.cloud.pinned = True
        assert {one.rpartition(" ")[2] for one in differences(made.plan())} == {
            "docker_config",
            "private_cluster_config.enable_private_endpoint",
        }
        assert any("is not made a minute after" in one for one in made.luck())
