"""Check a saved plan of Terraform, as `terraform show -json` prints it.

The pipeline's account may deploy code and nothing else. A plan that would also change a grant, a topic or the cluster
is refused before anything is applied.
https://developer.hashicorp.com/terraform/internals/json-format
"""

import json
import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import click

from modelserve.core.errors import ServeError
from modelserve_control.common.output import prints_result
from modelserve_control.deploy.pipeline.attributes import MAY_CHANGE, OUTPUTS, REPORTED_OTHERWISE, WHOLE

FUNCTION: Final = "google_cloudfunctions2_function"
ARCHIVE: Final = "google_storage_bucket_object"
UPDATE: Final = ["update"]
# A new archive is a new object, which replaces the old one.
ARCHIVE_CHANGES: Final = (["create"], UPDATE, ["create", "delete"], ["delete", "create"])
NO_CHANGES: Final = (["no-op"], ["read"])
MODEL_URI: Final = re.compile(r"gs://[^/]+/models/([^/@]+@[^/@]+)")

Plan = Mapping[str, Any]
Change = Mapping[str, Any]


class PlanTooWide(ServeError):
    code = "PLAN_TOO_WIDE"
    status = HTTPStatus.CONFLICT


class PlanUnusable(ServeError):
    """The plan does not name the models that the functions will serve."""

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

    They are changes (one a line), targets and models (see below), manifests, the artifact that the cluster pulls
    (empty without the fallback), and component, with which they are rendered (empty for none).
    """
    document = json.loads(plan.read_text())
    found: dict[str, Any] = {
        "changes": changes(document),
        "targets": targets(document),
        "models": models(document),
        "manifests": manifests(document),
        "component": component(document),
    }
    out.mkdir(parents=True, exist_ok=True)
    for name in ("changes", "targets", "models"):
        (out / name).write_text("".join(f"{line}\n" for line in found[name]))
    for name in ("manifests", "component"):
        (out / name).write_text(found[name])
    return found


def changes(plan: Plan) -> list[str]:
    """The addresses of the functions that get new code. Raises PlanTooWide, whose details are the other changes."""
    changing = [one for one in pending(plan) if not is_reported_otherwise(one)]
    beyond = {one["address"]: one for one in changing if not is_allowed(one)}
    if beyond:
        raise PlanTooWide(
            f"The plan changes {len(beyond)} more than the code of the functions: "
            "let somebody who may do that apply it first, then run this build again.",
            [
                {
                    "address": address,
                    "actions": "+".join(one["change"]["actions"]),
                    **({"attributes": ", ".join(find_unexpected(one))} if one["change"]["actions"] == UPDATE else {}),
                }
                for address, one in beyond.items()
            ],
        )
    return [one["address"] for one in changing if one["type"] == FUNCTION]


def targets(plan: Plan) -> list[str]:
    """Options for a second plan, of the functions alone: where something else only seems to change, the account could not
    apply that."""
    if all(one["type"] in (FUNCTION, ARCHIVE) for one in pending(plan)):
        return []
    return [f"-target={one['address']}" for one in plan["resource_changes"] if one["type"] in (FUNCTION, ARCHIVE)]


def pending(plan: Plan) -> list[Change]:
    return [one for one in plan.get("resource_changes", []) if one["change"]["actions"] not in NO_CHANGES]


def is_allowed(one: Change) -> bool:
    if one["type"] == ARCHIVE:
        return one["change"]["actions"] in ARCHIVE_CHANGES
    known = MAY_CHANGE | OUTPUTS | REPORTED_OTHERWISE.get(one["type"], set())
    return one["type"] == FUNCTION and one["change"]["actions"] == UPDATE and different(one) <= known


def is_reported_otherwise(one: Change) -> bool:
    known = REPORTED_OTHERWISE.get(one["type"], set())
    return bool(known) and one["change"]["actions"] == UPDATE and different(one) <= known | OUTPUTS


def find_unexpected(one: Change) -> list[str]:
    return sorted(different(one) - OUTPUTS - (MAY_CHANGE if one["type"] == FUNCTION else set()))


def different(one: Change) -> set[str]:
    """The names of the attributes that change, such as service_config.available_memory."""
    change = one["change"]
    unknown = change.get("after_unknown") or {}
    return set(names_of_differences(change.get("before") or {}, change.get("after") or {}, unknown))


def names_of_differences(before: Any, after: Any, unknown: Any, name: str = "") -> Iterator[str]:
    """A block is named without its number. `unknown` is like `after`, with true for what the apply will tell."""
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after) and name not in WHOLE:
        for number, pair in enumerate(zip(before, after, strict=True)):
            inner = unknown[number] if isinstance(unknown, list) and number < len(unknown) else {}
            yield from names_of_differences(*pair, inner, name)
    elif isinstance(before, dict) and isinstance(after, dict) and name not in WHOLE:
        marks = unknown if isinstance(unknown, dict) else {}
        for key in sorted(before.keys() | after.keys() | marks.keys()):
            values = (before.get(key), after.get(key), marks.get(key, False))
            yield from names_of_differences(*values, f"{name}.{key}" if name else key)
    elif before != after or unknown is True or (isinstance(unknown, dict) and True in unknown.values()):
        yield name


def models(plan: Plan) -> list[str]:
    """For each model NAME@ALIAS, and the options by which `modelserve rollout` takes its services. Raises PlanUnusable."""
    services: dict[str, list[str]] = {}
    pairs: dict[str, str] = {}
    for one in plan.get("resource_changes", []):
        if one["type"] == FUNCTION and (after := one["change"]["after"]):
            option = f"-{after['build_config'][0]['entry_point'].replace('_', '-')}"
            served = model(after)
            if (pair := pairs.setdefault(after["name"].removesuffix(option), served)) != served:
                raise PlanUnusable(
                    f"{after['name']} would serve {served}, and its pair {pair}: give both functions of a model the same MODEL_URI."
                )
            services.setdefault(served, []).append(f"-{option}={after['name']}")
    if not services:
        raise PlanUnusable("The plan has no function, so there is nothing to roll out: is it a plan of terraform/?")
    return [" ".join([served, *sorted(found)]) for served, found in services.items()]


def model(function: Mapping[str, Any]) -> str:
    # A value that is known only after the apply is missing.
    uri = str(function["service_config"][0].get("environment_variables", {}).get("MODEL_URI"))
    if not (match := MODEL_URI.fullmatch(uri)):
        raise PlanUnusable(
            f"The plan does not tell the MODEL_URI of {function['name']} in the form gs://BUCKET/models/NAME@ALIAS: "
            "create the bucket with a full apply first."
        )
    return match[1]


def manifests(plan: Plan) -> str:
    """The artifact with the manifests of the cluster, empty without a cluster. Raises PlanUnusable."""
    after = plan.get("output_changes", {}).get("fallback", {}).get("after")
    if after is None:
        return ""
    if not after.get("manifests"):
        raise PlanUnusable("The output fallback names no manifests.")
    return str(after["manifests"])


def component(plan: Plan) -> str:
    return str((plan.get("output_changes", {}).get("fallback", {}).get("after") or {}).get("component", ""))


if __name__ == "__main__":
    check_plan()
