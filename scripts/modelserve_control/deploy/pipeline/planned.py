"""What a saved plan of Terraform would do, read from `terraform show -json`.

The account of the pipeline may deploy code and nothing else. A plan that would also change a grant, a topic or the
cluster is refused before anything is applied: whoever may do that applies it first.
https://developer.hashicorp.com/terraform/internals/json-format
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import click

from modelserve_control.common.output import answers
from modelserve_control.deploy.pipeline.errors import PlanTooWide, PlanUnusable

FUNCTION: Final = "google_cloudfunctions2_function"
# A new archive is another object, which takes the place of the old one.
CODE: Final = {
    FUNCTION: (["update"],),
    "google_storage_bucket_object": (["create"], ["update"], ["create", "delete"], ["delete", "create"]),
}
NOTHING: Final = (["no-op"], ["read"])
MODEL_URI: Final = re.compile(r"gs://[^/]+/models/([^/@]+@[^/@]+)")

Plan = Mapping[str, Any]


@click.command()
@click.argument("plan", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Where the files go.")
@answers(lambda found: "\n".join(found["changes"]) or "The functions stay as they are.")
def planned(plan: Path, out: Path) -> dict[str, Any]:
    """Check the PLAN, and write what the next steps ask: changes (a line each), model (NAME@ALIAS), and manifests, the
    artifact that the cluster pulls (empty without the fallback)."""
    document = json.loads(plan.read_text())
    changed, named, artifact = changes(document), model(document), manifests(document)
    out.mkdir(parents=True, exist_ok=True)
    (out / "changes").write_text("".join(f"{address}\n" for address in changed))
    (out / "model").write_text(named)
    (out / "manifests").write_text(artifact)
    return {"changes": changed, "model": named, "manifests": artifact}


def changes(plan: Plan) -> list[str]:
    """The functions that get new code. Raises PlanTooWide, whose details are what else would change."""
    pending = [one for one in plan.get("resource_changes", []) if one["change"]["actions"] not in NOTHING]
    beyond = [one for one in pending if one["change"]["actions"] not in CODE.get(one["type"], ())]
    if beyond:
        raise PlanTooWide(
            f"The plan changes {len(beyond)} more than the code of the functions: "
            "let somebody who may do that apply it first, then run this build again.",
            [{"address": one["address"], "actions": "+".join(one["change"]["actions"])} for one in beyond],
        )
    return [one["address"] for one in pending if one["type"] == FUNCTION]


def model(plan: Plan) -> str:
    """NAME@ALIAS, the same for both functions. Raises PlanUnusable."""
    found = set(served(plan))
    if len(found) != 1 or not (match := MODEL_URI.fullmatch(found.pop())):
        raise PlanUnusable("The plan does not give the functions one MODEL_URI, gs://BUCKET/models/NAME@ALIAS.")
    return match[1]


def served(plan: Plan) -> Iterator[str]:
    for one in plan.get("resource_changes", []):
        after = one["change"]["after"]
        if one["type"] == FUNCTION and after:
            # What is known only after the apply is not there.
            yield str(after["service_config"][0].get("environment_variables", {}).get("MODEL_URI"))


def manifests(plan: Plan) -> str:
    """The artifact with what the cluster runs, empty when there is no cluster. Raises PlanUnusable."""
    after = plan.get("output_changes", {}).get("fallback", {}).get("after")
    if after is None:
        return ""
    if not after.get("manifests"):
        raise PlanUnusable("The output fallback names no manifests.")
    return str(after["manifests"])


if __name__ == "__main__":
    planned()
