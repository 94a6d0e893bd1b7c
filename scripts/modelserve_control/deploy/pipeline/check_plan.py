"""Check a saved plan of Terraform, as `terraform show -json` prints it.

The pipeline's account may deploy code and nothing else. A plan that would also change a grant, a topic or the cluster
is refused before anything is applied.
https://developer.hashicorp.com/terraform/internals/json-format
"""

import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import click

from modelserve.core.errors import ServeError
from modelserve_control.common.output import prints_result

FUNCTION: Final = "google_cloudfunctions2_function"
# A new archive is a new object, which replaces the old one.
CODE_CHANGES: Final = {
    FUNCTION: (["update"],),
    "google_storage_bucket_object": (["create"], ["update"], ["create", "delete"], ["delete", "create"]),
}
NO_CHANGES: Final = (["no-op"], ["read"])
MODEL_URI: Final = re.compile(r"gs://[^/]+/models/([^/@]+@[^/@]+)")

Plan = Mapping[str, Any]


class PlanTooWide(ServeError):
    code = "PLAN_TOO_WIDE"
    status = HTTPStatus.CONFLICT


class PlanUnusable(ServeError):
    """The plan does not name the model that the functions will serve."""

    code = "PLAN_UNUSABLE"
    status = HTTPStatus.BAD_REQUEST


@click.command()
@click.argument("plan", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="The directory for the files."
)
@prints_result(lambda found: "\n".join(found["changes"]) or "The functions stay as they are.")
def check_plan(plan: Path, out: Path) -> dict[str, Any]:
    """Check the PLAN, and write files for the next steps.

    They are changes (one a line), model (NAME@ALIAS), and manifests, the artifact that the cluster pulls (empty without
    the fallback).
    """
    document = json.loads(plan.read_text())
    found: dict[str, Any] = {"changes": changes(document), "model": model(document), "manifests": manifests(document)}
    out.mkdir(parents=True, exist_ok=True)
    (out / "changes").write_text("".join(f"{address}\n" for address in found["changes"]))
    (out / "model").write_text(found["model"])
    (out / "manifests").write_text(found["manifests"])
    return found


def changes(plan: Plan) -> list[str]:
    """The addresses of the functions that get new code. Raises PlanTooWide, whose details are the other changes."""
    pending = [one for one in plan.get("resource_changes", []) if one["change"]["actions"] not in NO_CHANGES]
    beyond = [one for one in pending if one["change"]["actions"] not in CODE_CHANGES.get(one["type"], ())]
    if beyond:
        raise PlanTooWide(
            f"The plan changes {len(beyond)} more than the code of the functions: "
            "let somebody who may do that apply it first, then run this build again.",
            [{"address": one["address"], "actions": "+".join(one["change"]["actions"])} for one in beyond],
        )
    return [one["address"] for one in pending if one["type"] == FUNCTION]


def model(plan: Plan) -> str:
    """NAME@ALIAS, the same for both functions. Raises PlanUnusable."""
    after = [one["change"]["after"] for one in plan.get("resource_changes", []) if one["type"] == FUNCTION]
    # A value that is known only after the apply is missing.
    variables = [one["service_config"][0].get("environment_variables", {}) for one in after if one]
    found = {str(one.get("MODEL_URI")) for one in variables}
    if len(found) != 1 or not (match := MODEL_URI.fullmatch(found.pop())):
        raise PlanUnusable("The plan does not give the functions one MODEL_URI, gs://BUCKET/models/NAME@ALIAS.")
    return match[1]


def manifests(plan: Plan) -> str:
    """The artifact with the manifests of the cluster, empty without a cluster. Raises PlanUnusable."""
    after = plan.get("output_changes", {}).get("fallback", {}).get("after")
    if after is None:
        return ""
    if not after.get("manifests"):
        raise PlanUnusable("The output fallback names no manifests.")
    return str(after["manifests"])


if __name__ == "__main__":
    check_plan()
