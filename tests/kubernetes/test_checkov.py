"""What checkov finds in the Dockerfile and in every rendered environment is mended or explained."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from infra.checkov.scan import Finding, scan, unsettled
from infra.terraform import Change
from kubernetes.image import DOCKERFILE
from kubernetes.rendering import COMPONENTS, ENVIRONMENTS, SOURCE, changed, manifests

EXPLANATIONS = Path(__file__).with_name("checkov.toml")


def findings(directory: Path, *cases: tuple[str, str], source: Path = SOURCE) -> list[Finding]:
    for environment, component in cases:
        target = directory / "rendered" / f"{environment}{component}.yaml"
        target.parent.mkdir(exist_ok=True)
        target.write_text(manifests(environment, component, source))
    shutil.copy(source / DOCKERFILE.name, directory / "rendered")
    return scan(["kubernetes", "dockerfile"], directory / "rendered")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> list[Finding]:
    cases = [(environment, component) for environment in ENVIRONMENTS for component in COMPONENTS]
    return findings(tmp_path_factory.mktemp("checkov"), *cases)


def test_every_finding_is_explained_and_every_explanation_is_of_a_finding(report: list[Finding]) -> None:
    assert list(unsettled(report, EXPLANATIONS)) == []


def test_a_new_finding_is_noticed(tmp_path: Path) -> None:
    broken = changed(
        tmp_path,
        Change("base/http.yaml", "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false"),
        Change("Dockerfile", "USER 10001:10001", "USER root"),
    )
    noticed = list(unsettled(findings(tmp_path, ("prod", ""), source=broken), EXPLANATIONS))
    assert [text.split(":")[0] for text in noticed] == [
        "CKV_DOCKER_8 /Dockerfile.USER",
        "CKV_K8S_22 Deployment.modelserve.http",
    ]
