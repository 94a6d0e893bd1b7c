"""What each file that Cloud Build runs has to keep to. A policy yields what is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from google.protobuf import json_format

from pipeline.definitions import DECIDED, FILES, ROOT, Definition, seconds, triggers

Policy = Callable[[Definition], Iterator[str]]

# A registry, a name, and a version with all of its parts.
PINNED: Final = re.compile(r"[a-z0-9.-]+\.[a-z]+/[a-z0-9./-]+:v?\d+\.\d+\.\d+(-[a-z0-9.]+)?")
DOCKER: Final = "gcr.io/cloud-builders/docker:"
HEADS: Final = ("#!/usr/bin/env bash\nset -euo pipefail\n", "#!/bin/sh\nset -eu\n")
MOVES_TRAFFIC: Final = "modelserve rollout"
DAY: Final = 24 * 3600  # the longest that Cloud Build lets a build take


def every_field_is_one_that_the_api_knows(file: Definition) -> Iterator[str]:
    try:
        file.parse()
    except json_format.ParseError as error:
        yield str(error)


def steps_wait_for_steps_before_them(file: Definition) -> Iterator[str]:
    """So there is no circle."""
    seen: set[str] = set()
    for step, raw in zip(file.steps, file.raw["steps"], strict=True):
        yield from (f"{step.id} waits for {name}, which is not before it" for name in step.waits if name not in seen)
        if step.id in seen:
            yield f"There are two steps {step.id}"
        if not raw.get("waitFor"):
            yield f"{step.id} does not say what it waits for, so it waits for all"
        seen.add(step.id)


def substitutions_are_declared_and_used(file: Definition) -> Iterator[str]:
    yield from (f"{name} is declared and nobody uses it" for name in sorted(file.declared_names - file.used_names))
    yield from (f"{name} is used and has no default" for name in sorted(file.used_names - file.declared_names))


def triggers_say_what_the_file_asks_for(file: Definition) -> Iterator[str]:
    sends = triggers()[file.path].sends
    yield from (f"No trigger says {name}" for name in sorted(file.declared_names - DECIDED - sends))
    if file.path != "cloudbuild/test.yaml":  # it tests, and knows no environment
        yield from (f"The trigger says {name} for nothing" for name in sorted(sends - file.declared_names))


def builders_are_of_one_exact_version(file: Definition) -> Iterator[str]:
    versions = {step.name.rpartition(":")[0]: step.name for path in FILES for step in Definition.read(path).steps}
    for step in file.steps:
        if not PINNED.fullmatch(step.name):
            yield f"{step.id} runs in {step.name}"
        elif step.name != versions[step.name.rpartition(":")[0]]:
            yield f"{step.id} runs in {step.name}, and others in {versions[step.name.rpartition(':')[0]]}"


def images_are_built_where_docker_is(file: Definition) -> Iterator[str]:
    """The image of gcloud has a docker without buildx, and newer ones have none."""
    for step in file.steps:
        if re.search(r"\bdocker (build|pull|push|tag)|cloudbuild/image", step.script) and not step.name.startswith(
            DOCKER
        ):
            yield f"{step.id} needs docker, and runs in {step.name}"


def everything_ends(file: Definition) -> Iterator[str]:
    yield from (f"{step.id} has no timeout" for step in file.steps if not step.timeout)
    if not file.longest() <= seconds(file.raw["timeout"]) <= DAY:
        yield f"The build may take {file.raw['timeout']}, and its steps one after the other {file.longest()} s"


def builds_run_as_an_account_of_their_own(file: Definition) -> Iterator[str]:
    known = re.findall(r"^    (\w+) += \"", (ROOT / "terraform" / "identities.tf").read_text(), re.MULTILINE)
    given = file.raw.get("serviceAccount", "").replace("${_JOB}", file.raw["substitutions"].get("_JOB", ""))
    allowed = [
        f"projects/${{PROJECT_ID}}/serviceAccounts/${{_NAME}}-{job}@${{PROJECT_ID}}.iam.gserviceaccount.com"
        for job in known
    ]
    if given not in allowed:
        yield f"It runs as {given or 'the default account'}, which Terraform does not make"
    if file.raw["options"].get("logging") != "CLOUD_LOGGING_ONLY":
        yield "With an account of its own it needs logging: CLOUD_LOGGING_ONLY"


def images_have_provenance(file: Definition) -> Iterator[str]:
    images = file.raw.get("images", [])
    pushes = any("docker push" in step.script for step in file.steps)
    if pushes and not images:
        yield "Cloud Build writes no provenance for what only a step pushes"
    if images and file.raw["options"].get("requestedVerifyOption") != "VERIFIED":
        yield "Provenance is not asked for"
    yield from (
        f"{image} is not in our registry"
        for image in images
        if "-docker.pkg.dev/${PROJECT_ID}/${_NAME}-images/" not in image
    )


def scripts_stop_at_the_first_failure(file: Definition) -> Iterator[str]:
    for step, raw in zip(file.steps, file.raw["steps"], strict=True):
        if step.script and not step.script.startswith(HEADS):
            yield f"{step.id} goes on after a failure"
        if "entrypoint" in raw or "-c" in step.args:
            yield f"{step.id} has a script in its arguments, where Cloud Build replaces each $"


def scripts_find_substitutions_in_their_environment(file: Definition) -> Iterator[str]:
    options = file.raw["options"]
    if not (options.get("automapSubstitutions") and options.get("dynamicSubstitutions")):
        yield "A script would find none, or one within another would stay as it is"


def traffic_moves_after_everything_was_proven(file: Definition) -> Iterator[str]:
    for step in file.steps:
        if MOVES_TRAFFIC in step.script:
            others = {one.id for one in file.steps if step.id not in (one.id, *file.before(one.id))}
            yield from (f"{step.id} does not wait for {name}" for name in sorted(others - file.before(step.id)))
            yield from (
                f"{name} does not wait for {step.id}"
                for name in sorted(one.id for one in file.steps if 'docker push --quiet "$artifact"' in one.script)
                if step.id not in file.before(name)
            )


def code_that_nobody_has_read_pushes_nothing(file: Definition) -> Iterator[str]:
    if file.path == "cloudbuild/test.yaml":
        words = ("docker push", "gcloud ", "terraform ", MOVES_TRAFFIC, "promote", "publish")
        yield from (f"{step.id} says {word}" for step in file.steps for word in words if word in step.script)
        if file.raw.get("images"):
            yield "Its images are pushed"


ALL: Final[list[Policy]] = [
    every_field_is_one_that_the_api_knows,
    steps_wait_for_steps_before_them,
    substitutions_are_declared_and_used,
    triggers_say_what_the_file_asks_for,
    builders_are_of_one_exact_version,
    images_are_built_where_docker_is,
    everything_ends,
    builds_run_as_an_account_of_their_own,
    images_have_provenance,
    scripts_stop_at_the_first_failure,
    scripts_find_substitutions_in_their_environment,
    traffic_moves_after_everything_was_proven,
    code_that_nobody_has_read_pushes_nothing,
]
