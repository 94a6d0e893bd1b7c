"""What docs/kubernetes.md and kubernetes/README.md say is there is there, and is what they say."""

from __future__ import annotations

import re
import subprocess

import pytest
import yaml

from kubernetes.image import DOCKERFILE
from kubernetes.rendering import IMAGE, SOURCE, environ, name, of, rendered

DOCS = (SOURCE.parent / "docs" / "kubernetes.md").read_text()
README = (SOURCE / "README.md").read_text()
RENDERS = sorted(set(re.findall(r'kubernetes/render [a-z]+ "\$IMAGE"(?: [a-z-]+)?', DOCS)))


def test_there_is_a_render_command_for_each_way_of_scaling() -> None:
    assert len(RENDERS) == 2


@pytest.mark.parametrize("command", RENDERS)
def test_a_render_command_renders(command: str) -> None:
    given = environ() | {"IMAGE": IMAGE}
    done = subprocess.run(["sh", "-ec", command], cwd=SOURCE.parent, env=given, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert IMAGE in done.stdout
    assert ("AutoscalingMetric" in done.stdout) == command.endswith("scale-to-zero")


def test_every_file_in_the_table_exists() -> None:
    rows = [re.findall(r"`([\w./-]+)`", line.split("|")[1]) for line in README.splitlines() if line.startswith("| `")]
    named = [
        row[0].rsplit("/", 1)[0] + f"/{file}" if "/" in row[0] and "/" not in file else file
        for row in rows
        for file in row
    ]
    assert len(named) >= 12
    assert [file for file in named if not (SOURCE / file).exists()] == []


def test_the_build_arguments_are_the_dockerfiles() -> None:
    told = dict(re.findall(r"^\| `([A-Z]+)` \| `?([^`|]+)`? \|", DOCS, re.MULTILINE))
    made = dict(re.findall(r"^ARG ([A-Z]+)=(\S+)", DOCKERFILE.read_text(), re.MULTILINE))
    assert told == {key: made[key] for key in ("BASE", "REQUIREMENTS")}
    assert "| `CREATED`, `REVISION`, `VERSION` | empty |" in DOCS
    assert {key for key, value in made.items() if value == '""'} == {"CREATED", "REVISION", "VERSION"}


@pytest.mark.parametrize("environment", ["dev", "staging", "prod"])
def test_the_numbers_of_pods_are_those_of_the_autoscalers(environment: str) -> None:
    row = re.search(rf"^\| {environment} \| (\d+) to (\d+) \| (\d+) to (\d+) \|", DOCS, re.MULTILINE)
    assert row
    autoscalers = {name(one): one["spec"] for one in of(rendered(environment), "HorizontalPodAutoscaler")}
    http, worker = (autoscalers[f"HorizontalPodAutoscaler {each}"] for each in ("http", "worker"))
    bounds = [one[bound] for one in (http, worker) for bound in ("minReplicas", "maxReplicas")]
    assert [int(number) for number in row.groups()] == bounds


def test_the_addresses_are_those_of_the_network_policies() -> None:
    told = set(re.findall(r"\d+\.\d+\.\d+\.\d+", DOCS.split("## The network")[1]))
    cidrs = {
        peer["ipBlock"]["cidr"].split("/")[0]
        for one in yaml.safe_load_all((SOURCE / "base" / "network.yaml").read_text())
        for direction, side in (("ingress", "from"), ("egress", "to"))
        for rule in one["spec"].get(direction, [])
        for peer in rule[side]
        if "ipBlock" in peer
    }
    assert told == cidrs - {"0.0.0.0"}
