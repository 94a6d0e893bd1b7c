"""`modelserve doctor`: whether the functions would activate a version, from their pins, before they are built."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from modelserve.core.errors import EnvironmentMismatch
from modelserve.store.buckets.objects import Objects
from modelserve.store.trust.environment import PARTS, TWINS, Difference, differences, normal, pins
from modelserve.store.versions.manifest import Manifest
from modelserve_control.common.errors import NotPackaged
from modelserve_control.common.processes import checkout
from modelserve_control.deploy.package import REQUIREMENTS, python_version
from modelserve_control.registry import version_ref


def doctor(objects: Objects, what: str, root: Path | None = None) -> dict[str, Any]:
    """The same comparison as a function makes when it loads the version. `root` is the checkout.

    Raises EnvironmentMismatch, whose details are the pins to change, where the function would refuse the version, and
    NoCheckout.
    """
    root = root or checkout()
    manifest = version_ref.manifest(objects, what)
    kind = manifest.runtime["kind"]
    requirements = REQUIREMENTS[kind]
    pinned = pins(root / "functions" / requirements)
    if not pinned:
        raise NotPackaged(f"functions/{requirements} pins nothing; scripts/lock makes it.")
    python = python_version(root)
    found = differences(manifest.environment, python, lambda name: pinned.get(normal(name)) or pinned.get(twin(name)))
    if kind == "compiled":  # it is not unpickled, so the function may lack the packages that it was made with
        found = [one for one in found if one.here is not None]
    serious = [one for one in found if one.serious]
    if kind != "compiled" and serious:
        raise EnvironmentMismatch(refusal(manifest, requirements, serious), [detail(one) for one in serious])
    # Without any of these packages nothing is compared.
    packages = manifest.environment.get("packages") or {}
    compared = ["Python"] if manifest.environment.get("python") else []
    compared += [
        name for name in packages if normal(name) in PARTS and (normal(name) in pinned or twin(name) in pinned)
    ]
    return {
        "name": manifest.name,
        "version": manifest.version,
        "runtime": kind,
        "requirements": f"functions/{requirements}",
        "python": python,
        "compared": compared,
        "differences": [detail(one) for one in found],
    }


def twin(name: str) -> str:
    return TWINS.get(normal(name), "")


def detail(one: Difference) -> dict[str, Any]:
    change = f"{one.package}=={one.made}"
    if one.package == "Python":
        made = [int(part) for part in one.made.split(".")[:2]]
        change = f"{made[0]}.{made[1]} in .python-version"
        # The functions do not run on an older Python.
        if one.here is not None and made < [int(part) for part in one.here.split(".")[:2]]:
            change = f"publish from Python {one.here}"
    return {"package": one.package, "version_has": one.made, "functions_have": one.here, "change": change}


def refusal(manifest: Manifest, requirements: str, serious: Sequence[Difference]) -> str:
    return (
        f"The functions would refuse {manifest.name} version {manifest.version}, which was made with another "
        f"{', '.join(one.package for one in serious)}. Make these changes in functions/{requirements.replace('.txt', '.in')} and run "
        f"scripts/lock, or publish from an environment that has what functions/{requirements} has, or compiled: "
        "modelserve publish --compile require."
    )
