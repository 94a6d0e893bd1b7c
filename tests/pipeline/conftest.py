"""A copy of this repository, the cloud that its builds would see, and a store with a real model."""

from __future__ import annotations

import base64
import json
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path
from subprocess import CalledProcessError
from typing import Any, Final

import pytest

from contract.rollout.cloud import Cloud, fake_cloud
from contract.rollout.conftest import records
from contract.rollout.revisions import Revision
from http_server import Answer, answering
from kubernetes import rendering
from models.library import Library
from modelserve_control.common.progress import Lines
from modelserve_control.deploy.package import package
from pipeline.runner import WORKSPACE, Checkout, Order, Rule, RunResult
from serving import release

BASE: Final = f"python@sha256:{'b' * 64}"
IMAGE: Final = "r-docker.pkg.dev/p/churn-images/modelserve"
DIGEST: Final = f"sha256:{'d' * 64}"
CONTROL: Final = f"{IMAGE}-control"
BEAM: Final = f"{IMAGE}-beam"
SDK: Final = f"apache/beam_python3.11_sdk@sha256:{'e' * 64}"
MANIFESTS: Final = "r-docker.pkg.dev/p/churn-manifests/manifests:dev"
SERVICES: Final = ("churn-predict", "churn-predict-event")
FUNCTIONS: Final = ("predict", "predict_event")
PLAN: Final = "what Terraform would do"
SECRET: Final = "projects/p/secrets/churn-origin-token"
TOKEN: Final = "0123456789abcdef0123456789abcdef"
OLD: Final = [{f"{name}-00001-abc": 100} for name in SERVICES]
NEW: Final = [{f"{name}-00002-abc": 100} for name in SERVICES]
# As provider 7 plans it for ever.
CLUSTER: Final = {
    "address": "module.fallback[0].google_container_cluster.this",
    "type": "google_container_cluster",
    "change": {
        "actions": ["update"],
        "before": {"private_cluster_config": [{"enable_private_endpoint": True}]},
        "after": {"private_cluster_config": [{"enable_private_endpoint": None}]},
    },
}
VALUES: Final = {
    "PROJECT_ID": "p",
    "BUILD_ID": "0b1d",
    "COMMIT_SHA": "c" * 40,
    "SHORT_SHA": "c" * 7,
    "_ENV": "dev",
    "_NAME": "churn",
    "_REGION": "r",
    "_WATCH": "0",
}


@dataclass
class Iam:
    """Gives an account identity tokens for itself, and knows who asked for what; and the one secret."""

    url: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)
    refuses: bool = False

    def answer(self, method: str, target: str, headers: Message, body: bytes) -> Answer:
        if target == f"/v1/{SECRET}/versions/latest:access":
            payload = {"data": base64.b64encode(TOKEN.encode()).decode()}
            return 403 if self.refuses else 200, {}, json.dumps({"payload": payload}).encode()
        audience = json.loads(body)["audience"]
        found = re.fullmatch(r"/v1/projects/-/serviceAccounts/([^/:]+):generateIdToken", target)
        assert found, target
        self.asked.append((found[1], audience))
        return 403 if self.refuses else 200, {}, json.dumps({"token": f"token-for-{audience}"}).encode()


@contextmanager
def serving_tokens() -> Iterator[Iam]:
    iam = Iam()
    with answering(iam.answer) as iam.url:
        yield iam


@dataclass
class Pipeline:
    """`plan` is what Terraform will have planned, `archive` the name of what the commit is packaged to."""

    checkout: Checkout
    cloud: Cloud
    iam: Iam
    store: Path
    plan: dict[str, Any]
    archive: str

    def run(self, path: str = "cloudbuild.yaml", order: Order | None = None, **values: str) -> RunResult:
        show = {"tool": "terraform", "args": "-chdir=terraform show -json .*/plan$", "says": json.dumps(self.plan)}
        self.checkout.rules.append(show)
        return self.checkout.run(path, VALUES | {"_STORE": str(self.store)} | values, order)

    def rule(self, tool: str, args: str, **what: Any) -> None:
        """Before what the stand-ins do otherwise."""
        self.checkout.rules.insert(0, {"tool": tool, "args": args, **what})

    @property
    def shares(self) -> list[dict[str, int]]:
        return [self.cloud.services[name].shares() for name in SERVICES]

    @property
    def steps(self) -> list[str]:
        """Of the one rollout there was."""
        (record,) = records(str(self.store))
        return [entry["step"] for entry in record["steps"]]

    def nothing_was_deployed(self) -> bool:
        """Not even begun: no plan was applied, no traffic moved, and the cluster was told nothing."""
        applied = self.checkout.calls_of("terraform -chdir=terraform apply")
        return not (applied or self.cloud.patches or records(str(self.store)) or self.cluster_commands())

    def cluster_commands(self) -> list[str]:
        return self.checkout.calls_of(f"docker push --quiet {MANIFESTS}")


@dataclass(frozen=True)
class Original:
    """What each pipeline begins with a copy of: the directory of a checkout and a store, and the name of the archive."""

    directory: Path
    archive: str


@pytest.fixture(scope="session")
def original(models: Library, tmp_path_factory: pytest.TempPathFactory) -> Original:
    """`scripts/test` passes at once."""
    directory = tmp_path_factory.mktemp("original")
    release(directory / "store", "churn", models.path("linear10"), runtime="compiled")
    checkout = Checkout.made(directory)
    archive = Path(package("compiled", tmp_path_factory.mktemp("packaged"), Lines(), checkout.root)["path"]).name
    (checkout.root / "scripts" / "test").write_text('#!/bin/sh\necho scripts/test >>"$CALLS"\n')
    return Original(directory, archive)


@pytest.fixture
def pipeline(original: Original, tmp_path: Path) -> Iterator[Pipeline]:
    with ready(original, tmp_path / "copy") as made:
        yield made


@contextmanager
def ready(original: Original, directory: Path) -> Iterator[Pipeline]:
    """Both functions serve their first revision, and what is deployed next is good."""
    shutil.copytree(original.directory, directory, symlinks=True)
    store = directory / "store"
    with fake_cloud() as cloud, serving_tokens() as iam:
        for name in SERVICES:
            cloud.service(name, Revision(version="1"))
            cloud.next[name] = Revision(version="1")
        checkout = Checkout(directory / WORKSPACE)
        try:
            checkout.environ["PATH"] = rendering.path()
        except CalledProcessError:
            pytest.skip("no kubectl on PATH, and none in the package index for this machine")
        apis = {"RUN": cloud.base, "MONITORING": cloud.base, "IAMCREDENTIALS": iam.url, "SECRETMANAGER": iam.url}
        for api, url in apis.items():
            checkout.environ[f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{api}"] = url
        checkout.environ["CLOUDSDK_CORE_ACCOUNT"] = "churn-deploy@p.iam.gserviceaccount.com"
        checkout.rules += stand_ins(cloud)
        cloud.archive = original.archive
        yield Pipeline(checkout, cloud, iam, store, plan_document("update"), cloud.archive)


def stand_ins(cloud: Cloud) -> list[Rule]:
    """Everything goes well, and the image of this commit is not there yet."""
    return [
        {"tool": "docker", "args": f"^pull --quiet {IMAGE}:c{{40}}$", "code": 1},
        {"tool": "docker", "args": "^pull --quiet docker.io/library/python:"},
        {"tool": "docker", "args": "^image inspect --format .* docker.io/library/python:", "says": BASE},
        {"tool": "docker", "args": f"^image inspect --format .* {IMAGE}:c{{40}}$", "says": f"{IMAGE}@{DIGEST}"},
        {"tool": "docker", "args": f"^pull --quiet {CONTROL}:c{{40}}$"},
        {"tool": "docker", "args": f"^image inspect --format .* {CONTROL}:c{{40}}$", "says": f"{CONTROL}@{DIGEST}"},
        {"tool": "docker", "args": f"^image inspect --format .* {BEAM}:c{{40}}$", "says": f"{BEAM}@{DIGEST}"},
        {"tool": "docker", "args": "^pull --quiet docker.io/apache/beam_python"},
        {"tool": "docker", "args": "^image inspect --format .* docker.io/apache/beam_python", "says": SDK},
        {"tool": "docker", "args": "^(build|tag|push) "},
        {"tool": "syft", "args": "--output spdx-json=(\\S+)", "writes": "{}"},
        {"tool": "gcloud", "args": "^artifacts docker images scan ", "says": "projects/p/locations/us/scans/1"},
        {"tool": "gcloud", "args": "^artifacts docker images list-vulnerabilities ", "says": "CRITICAL,False,CVE-1\nLOW,True,CVE-2"},
        {"tool": "gcloud", "args": "^storage cp "},
        {"tool": "terraform", "args": "^-chdir=terraform init -backend-config=environments/dev.gcs.tfbackend$"},
        {"tool": "terraform", "args": "^-chdir=terraform plan .* -var-file=environments/dev.tfvars -out=(\\S+)$", "writes": PLAN},
        {"tool": "terraform", "args": "^-chdir=terraform apply .*?(\\S+/plan)$", "reads": PLAN, "posts": [f"{cloud.base}/deploy/{name}" for name in SERVICES]},
    ]  # fmt: skip


def plan_document(
    action: str, manifests: str = MANIFESTS, types: Sequence[str] = (), models: Sequence[str] = ()
) -> dict[str, Any]:
    """What `terraform show -json` says, as tests/pipeline/plans.py has it from Terraform itself. `types` are created beside,
    and each of `models` has functions beside those of churn."""
    kind = "google_cloudfunctions2_function"
    changes = [
        {
            "address": f'{kind}.this["{prefix}{name}"]',
            "type": kind,
            "change": {
                "actions": [action],
                "before": function_values(prefix, name, "modelserve-0123456789abcdef.zip"),
                "after": function_values(prefix, name, "modelserve-fedcba9876543210.zip"),
            },
        }
        for prefix in ("", *(f"{model}-" for model in models))
        for name in FUNCTIONS
    ] + [{"address": f"{kind}.this", "type": kind, "change": {"actions": ["create"], "after": {}}} for kind in types]
    fallback = {"manifests": manifests, "component": "push"} if manifests else None
    output = {"actions": ["no-op"], "after": fallback}
    return {"resource_changes": changes, "output_changes": {"fallback": output}}


def function_values(prefix: str, entry_point: str, archive: str) -> dict[str, Any]:
    uri = f"gs://p-churn-models/models/{prefix.removesuffix('-') or 'churn'}@champion"
    return {
        "name": f"churn-{prefix}{entry_point.replace('_', '-')}",
        "build_config": [{"entry_point": entry_point}],
        "service_config": [{"environment_variables": {"MODEL_URI": uri, "SOURCE_ARCHIVE": archive}}],
    }
