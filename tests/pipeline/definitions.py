"""The files that Cloud Build runs, read as it reads them, and what Terraform's triggers tell them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import yaml
from google.cloud.devtools import cloudbuild_v1
from google.protobuf import json_format

ROOT: Final = Path(__file__).parents[2]
FILES: Final = ("cloudbuild.yaml", "cloudbuild/test.yaml", "cloudbuild/job.yaml")

# What Cloud Build itself substitutes, of all that it knows:
# https://cloud.google.com/build/docs/configuring-builds/substitute-variable-values
BUILT_IN: Final = {"PROJECT_ID", "BUILD_ID", "COMMIT_SHA", "SHORT_SHA"}
# What no trigger says, because the file itself decides it.
DECIDED: Final = {"_BEAM", "_RUNTIME", "_SHARES", "_WATCH"}
NAME: Final = re.compile(r"\$\{?(_?[A-Z][A-Z0-9_]*)")


@dataclass(frozen=True)
class Step:
    id: str
    name: str
    waits: tuple[str, ...]
    timeout: int
    script: str
    args: tuple[str, ...]


@dataclass(frozen=True)
class Definition:
    """One file, whose text a test may have changed."""

    path: str
    text: str

    @classmethod
    def read(cls, path: str) -> Definition:
        return cls(path, (ROOT / path).read_text())

    @cached_property
    def raw(self) -> dict[str, Any]:
        found: dict[str, Any] = yaml.safe_load(self.text)
        return found

    @cached_property
    def steps(self) -> list[Step]:
        return [
            Step(
                id=one["id"],
                name=one["name"],
                waits=tuple(name for name in one.get("waitFor", ()) if name != "-"),
                timeout=seconds(one.get("timeout", "0s")),
                script=one.get("script", ""),
                args=tuple(one.get("args", ())),
            )
            for one in self.raw["steps"]
        ]

    def parse(self) -> None:
        """Raises ParseError for whatever the API would not know."""
        json_format.ParseDict(self.raw, cloudbuild_v1.Build.pb(cloudbuild_v1.Build()))

    @property
    def declared_names(self) -> set[str]:
        return set(self.raw["substitutions"])

    @property
    def used_names(self) -> set[str]:
        """By scripts, which find them in their environment, and by the fields that Cloud Build fills in."""
        fields = [self.raw["serviceAccount"], *self.raw.get("images", []), *self.raw["substitutions"].values()]
        words = [word for step in self.steps for word in (step.name, step.script, *step.args)]
        return {name for text in (*fields, *words) for name in NAME.findall(text) if name.startswith("_")}

    @property
    def built_in(self) -> set[str]:
        return set(NAME.findall(self.text)) & BUILT_IN

    def before(self, step: str) -> set[str]:
        """Every step that has ended when this one starts."""
        waits = {one.id: one.waits for one in self.steps}
        found: set[str] = set()
        queue = list(waits[step])
        while queue:
            name = queue.pop()
            if name not in found:
                found.add(name)
                queue += waits.get(name, ())
        return found

    def longest(self) -> int:
        """Seconds, when each step takes all the time it may."""
        ends: dict[str, int] = {}
        for step in self.steps:
            ends[step.id] = step.timeout + max((ends.get(name, 0) for name in step.waits), default=0)
        return max(ends.values())


def seconds(text: str) -> int:
    return int(text.removesuffix("s"))


def substitute(text: str, values: Mapping[str, str]) -> str:
    """As dynamicSubstitutions does it: values may name others."""
    while (filled := re.sub(r"\$\{?(_?[A-Z][A-Z0-9_]*)\}?", lambda match: values[match[1]], text)) != text:
        text = filled
    return text


@dataclass(frozen=True)
class Trigger:
    """Of terraform/build.tf: the names of the substitutions that it sends, and the file that it starts."""

    sends: frozenset[str]
    file: str


def triggers() -> dict[str, Trigger]:
    """One for each file."""
    text = (ROOT / "terraform" / "build.tf").read_text()
    common = names(block(text, "_substitutions = {"))
    push, job = (
        block(text, 'resource "google_cloudbuild_trigger" "push" {'),
        block(text, 'resource "google_cloudbuild_trigger" "job" {'),
    )
    asked, main = re.findall(r'filename += each.value.pull_request \? "([^"]+)" : "([^"]+)"', push)[0]
    scheduled = re.findall(r'path += "([^"]+)"', job)[0]
    pushed = frozenset(common | names(push))
    found = (Trigger(pushed, main), Trigger(pushed, asked), Trigger(frozenset(common | names(job)), scheduled))
    return {one.file: one for one in found}


def block(text: str, start: str) -> str:
    """From its first line to the brace that ends it."""
    begin = text.index(start) + len(start)
    depth, end = 1, begin
    while depth:
        depth += {"{": 1, "}": -1}.get(text[end], 0)
        end += 1
    return text[begin : end - 1]


def names(text: str) -> set[str]:
    return set(re.findall(r"(?<![\w.])(_[A-Z]+) += ", text))
