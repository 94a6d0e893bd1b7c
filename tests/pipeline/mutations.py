"""For each policy changes of a file that break it and no other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from pipeline.definitions import Definition


@dataclass(frozen=True)
class Change:
    path: str
    old: str
    new: str
    times: int = 1  # -1 for everywhere

    def made(self) -> Definition:
        file = Definition.read(self.path)
        assert self.old in file.text, self.old
        return replace(file, text=file.text.replace(self.old, self.new, self.times))


MAIN, TEST, JOB = "cloudbuild.yaml", "cloudbuild/test.yaml", "cloudbuild/job.yaml"

CHANGES: Final = {
    "every_field_is_one_that_the_api_knows": [
        Change(MAIN, "machineType: E2_HIGHCPU_8", "machineType: E2_HUGE"),
        Change(MAIN, "    timeout: 900s\n", "    timeout: 900s\n    retries: 2\n"),
    ],
    "steps_wait_for_steps_before_them": [
        Change(MAIN, "waitFor: [plan]", "waitFor: [plan, cover]"),
        Change(MAIN, "waitFor: [plan]", "waitFor: [plan, guard]"),
        Change(TEST, "    waitFor: [setup]\n", ""),
        Change(JOB, "id: job", "id: setup"),
    ],
    "substitutions_are_declared_and_used": [
        Change(MAIN, '--watch "$_WATCH" ', ""),
        Change(MAIN, '--shares "$_SHARES"', '--shares "$_SHARES" --ready "$_READY"'),
    ],
    "triggers_say_what_the_file_asks_for": [
        Change(JOB, "_REGION", "_PLACE", times=-1),
    ],
    "builders_are_of_one_exact_version": [
        Change(MAIN, "terraform:1.15.5", "terraform:latest"),
        Change(MAIN, "terraform:1.15.5", "terraform:1.15"),
        Change(MAIN, "docker.io/hashicorp/terraform:1.15.5", "hashicorp/terraform"),
        Change(TEST, "python:3.11.15-bookworm", "python:3.11.14-bookworm"),
    ],
    "images_are_built_where_docker_is": [
        Change(MAIN, "gcr.io/cloud-builders/docker:24.0.9", "gcr.io/google.com/cloudsdktool/google-cloud-cli:528.0.0"),
        Change(TEST, "gcr.io/cloud-builders/docker:24.0.9", "gcr.io/google.com/cloudsdktool/google-cloud-cli:528.0.0"),
    ],
    "everything_ends": [
        Change(MAIN, "    timeout: 300s\n", ""),
        Change(MAIN, "timeout: 18000s", "timeout: 3600s"),
    ],
    "builds_run_as_an_account_of_their_own": [
        Change(MAIN, "_JOB: deploy", "_JOB: owner"),
        Change(JOB, "logging: CLOUD_LOGGING_ONLY", "logging: GCS_ONLY"),
    ],
    "images_have_provenance": [
        Change(MAIN, "  requestedVerifyOption: VERIFIED\n", ""),
        Change(MAIN, "images:\n  - ${_REGION}-docker.pkg.dev/${PROJECT_ID}/${_NAME}-images/modelserve:${BUILD_ID}\n", ""),
        Change(MAIN, "  - ${_REGION}-docker.pkg.dev/${PROJECT_ID}/${_NAME}-images/modelserve:${BUILD_ID}", "  - gcr.io/${PROJECT_ID}/m"),
    ],
    "scripts_stop_at_the_first_failure": [
        Change(MAIN, "set -euo pipefail", "set -eu"),
        Change(MAIN, "    args:\n      - scan\n", "    entrypoint: sh\n    args:\n      - -c\n      - scan\n"),
    ],
    "scripts_find_substitutions_in_their_environment": [Change(JOB, "  automapSubstitutions: true\n", "")],
    "traffic_moves_after_everything_was_proven": [
        Change(MAIN, "waitFor: [test, guard, scan, keep-list, render]", "waitFor: [test, scan, keep-list, render]"),
        Change(MAIN, "waitFor: [test, guard, scan, keep-list, render]", "waitFor: [guard, keep-list, render]"),
        Change(MAIN, "waitFor: [rollout]", "waitFor: [render]"),
    ],
    "code_that_nobody_has_read_pushes_nothing": [
        Change(TEST, '"modelserve:$COMMIT_SHA"\n', '"modelserve:$COMMIT_SHA"\n      gcloud auth list\n'),
    ],
}  # fmt: skip
