"""An environment's project, and Terraform that works on it with the stand-in: from nothing, as whom one likes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from infra import terraform
from infra.google import calls
from infra.google.calls import BUCKET
from infra.google.cloud import Cloud, Key, Refusal
from infra.google.rules import API_OF, CALLS
from infra.luck import lucky
from infra.stand_in import serving
from infra.state_store import StateStore, serve_states
from infra.terraform import ARCHIVE, Change, Workspace

PROD: Final = "environments/prod.tfvars"
ENVIRONMENTS: Final = {
    "dev": ("environments/dev.tfvars",),
    "staging": ("environments/staging.tfvars",),
    "prod": (PROD,),
    "everything": (PROD, "tests/environments/everything.tfvars"),
}
REGION: Final = "europe-west1"

# The state is not an object in a bucket.
BACKEND: Final = 'terraform {{\n  backend "http" {{\n    address = "{}/state"\n  }}\n}}\n'

# What everything.tfvars names and somebody else has made.
SEEDS: Final = (
    ("google_kms_crypto_key", f"projects/example-prod/locations/{REGION}/keyRings/modelserve/cryptoKeys/modelserve"),
    ("google_secret_manager_secret", "api-key"),
    ("google_storage_bucket", "example-prod-batches"),
    ("google_bigquery_dataset", "scores"),
    ("google_compute_network", "default"),
    ("google_compute_subnetwork", "default"),
    ("google_cloudbuildv2_repository", f"projects/example-prod/locations/{REGION}/connections/github/repositories/modelserve"),
)  # fmt: skip
OTHERS: Final = ("app@example-prod.iam.gserviceaccount.com", "shop@example-prod.iam.gserviceaccount.com")

# Row 4: what the API answers until a rollout has pinned a revision.
UNPINNED: Final = "service_config.all_traffic_on_latest_revision"


@dataclass(slots=True)
class Project:
    cloud: Cloud
    workspace: Workspace
    store: StateStore
    variables: list[str]
    everything: bool
    before: set[Key] = field(default_factory=set)  # what is there before the apply: bootstrap's, and others'

    @property
    def protected(self) -> bool:
        return PROD in self.variables[0]

    def bootstrap(self) -> None:
        self.workspace.check("init", "-input=false", directory="bootstrap")
        variables = [f"-var=project_id={self.cloud.project}", f"-var=region={REGION}"]
        self.workspace.check("apply", "-auto-approve", *variables, directory="bootstrap")
        self.workspace.check("init", "-input=false")
        self.before = set(self.cloud.resources)

    def apply(self, *arguments: str) -> str:
        """All at a time that may be made at a time: what must wait for something says so."""
        return self.workspace.check("apply", "-auto-approve", "-parallelism=100", *self.variables, *arguments)

    def destroy(self) -> str:
        """As the README says: what is protected loses its protection first."""
        if self.protected:
            self.apply("-var=deletion_protection=false")
        return self.apply("-destroy", "-var=deletion_protection=false")

    def plan(self, *arguments: str, archive: str = ARCHIVE) -> dict[str, Any]:
        """A plan that is saved as `plan`, as Terraform tells it; empty when there is nothing to change."""
        done = self.workspace.run(
            "plan", "-out=plan", "-detailed-exitcode", *self.variables, f"-var=source_archive={archive}", *arguments
        )
        assert done.returncode in (0, 2), done.stdout + done.stderr
        return dict(json.loads(self.workspace.check("show", "-json", "plan"))) if done.returncode else {}

    def use(self) -> None:
        """Somebody puts an object into each bucket."""
        for _, bucket in [key for key in self.cloud.resources.keys() - self.before if key[0] == BUCKET]:
            self.cloud.keep(("google_storage_bucket_object", f"{bucket}-used"), {"bucket": bucket, "name": "used"})

    def account(self, job: str) -> str:
        """The account of a job; a principal is its own name."""
        return job if {":", "@"} & set(job) else f"modelserve-{job}@{self.cloud.project}.iam.gserviceaccount.com"

    def may(self, job: str, _: str, permission: str, kind: str, name: str) -> bool:
        """Whether a row of google/calls.py holds."""
        who, on = (one.format(project=self.cloud.project, number=self.cloud.number) for one in (job, name))
        service = permission.partition(".")[0]
        enabled = API_OF.get(service, service) in self.cloud.apis
        return enabled and bool(self.cloud.holders(self.account(who), permission, kind, on))

    def refusal(self) -> str | None:
        """The first thing that does not work as the project is now: a resource, a build, what an identity asks for."""
        cloud = self.cloud
        try:
            cloud.check_all()
            cloud.caller = self.account("deploy")
            for kind, operation in dict.fromkeys(row[:2] for row in CALLS):
                for values in [one for (of, _), one in cloud.resources.items() if of == kind] or [{}]:
                    if operation == "read" or values:
                        cloud.allow(kind, operation, values)
        except Refusal as refusal:
            return str(refusal)
        finally:
            cloud.caller = None
        rows = calls.ALWAYS + (calls.WITH_EVERYTHING if self.everything else ())
        return next(
            (
                f"{who} may not: {what}, {permission}"
                for who, what, permission, kind, on in rows
                if not self.may(who, what, permission, kind, on)
            ),
            None,
        )

    def without_each(self) -> Iterator[tuple[Any, str | None]]:
        """The grants, APIs and accounts of Google, and the first thing that does not work without it."""
        collections: tuple[dict[Any, Any], ...] = (self.cloud.grants, self.cloud.accounts, self.cloud.apis)
        for collection in collections:
            for key in list(collection):
                taken = collection.pop(key)
                refusal = self.refusal()
                collection[key] = taken
                yield key, refusal

    def is_held_twice(self, key: Any) -> bool:
        """Whether another grant has the permission today, which calls.HELD_TWICE explains."""
        grant = self.cloud.grants.get(key)
        return grant is not None and any(
            (grant.account, grant.key[0], grant.role) == (self.account(job), kind, role)
            for job, kind, role in calls.HELD_TWICE
        )

    def luck(self) -> list[str]:
        bootstrap = (self.workspace.directory / "bootstrap" / "terraform.tfstate").read_text()
        states = [json.loads(one) for one in (bootstrap, self.store.states["/state"])]
        return [text for one in states for text in lucky(one, self.cloud.reliances)]


@contextmanager
def project(environment: str, version: str, directory: Path, *changes: Change) -> Iterator[Project]:
    """A project in which there is nothing yet but what others have made."""
    files = ENVIRONMENTS[environment]
    cloud = Cloud(f"example-{Path(files[0]).stem}")
    for kind, name in SEEDS if len(files) > 1 else ():
        cloud.seed(kind, name)
    cloud.accounts |= dict.fromkeys(OTHERS)
    with serving(version, cloud) as provider, serve_states() as store:
        shutil.copytree(terraform.SOURCE, directory / "terraform", ignore=shutil.ignore_patterns(".terraform*"))
        shutil.copy(terraform.ROOT / ".python-version", directory)
        workspace = Workspace(directory / "terraform", provider)
        workspace.change(*changes)
        (workspace.directory / "backend_override.tf").write_text(BACKEND.format(store.address))
        variables = [f"-var-file={name}" for name in files]
        yield Project(cloud, workspace, store, [*variables, f"-var=source_archive={ARCHIVE}"], len(files) > 1)


def differences(plan: dict[str, Any]) -> list[str]:
    """The attributes that a plan would change, by name."""
    found = []
    for one in plan.get("resource_changes", []):
        if one["change"]["actions"] != ["no-op"]:
            before, after = one["change"]["before"], one["change"]["after"]
            paths = differing(before, after) if before and after else one["change"]["actions"]
            found += [f"{one['address']} {path}" for path in paths]
    return found


def differing(before: Any, after: Any) -> list[str]:
    """The paths at which two values differ, without the places in lists."""
    if isinstance(before, dict) and isinstance(after, dict):
        names = sorted(before.keys() | after.keys())
        return [
            ".".join(part for part in (name, path) if part)
            for name in names
            for path in differing(before.get(name), after.get(name))
        ]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        return [path for one, other in zip(before, after, strict=True) for path in differing(one, other)]
    return [] if before == after else [""]
