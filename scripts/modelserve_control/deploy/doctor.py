"""`modelserve doctor`: whether the functions as they are pinned would activate a version, asked before they are built."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from modelserve.core.errors import EnvironmentMismatch
from modelserve.store.buckets.objects import Objects
from modelserve.store.trust.environment import PARTS, TWINS, Difference, differences, normal, pins
from modelserve.store.versions.manifest import Manifest
from modelserve_control.common.errors import NotPackaged
from modelserve_control.common.processes import SOURCES
from modelserve_control.deploy.package import REQUIREMENTS
from modelserve_control.registry import version_ref

# The line that terraform/functions.tf makes the runtime of both functions from.
REQUIRES_PYTHON: Final = re.compile(r'requires-python = "==([0-9.]+)\.\*"')


def doctor(objects: Objects, what: str, root: Path = SOURCES) -> dict[str, Any]:
    """Compares as a function does when it loads the version; `root` is the checkout that is built from.

    Raises EnvironmentMismatch, whose details are the pins to change, where the function would refuse the version.
    """
    manifest = version_ref.manifest(objects, what)
    kind = manifest.runtime["kind"]
    requirements = REQUIREMENTS[kind]
    pinned = read(root / "functions" / requirements)
    python = runtime(root / "pyproject.toml")
    found = differences(manifest.environment, python, lambda name: pinned.get(normal(name)) or pinned.get(twin(name)))
    if kind == "compiled":  # does not unpickle, so that what it was made with need not be there
        found = [one for one in found if one.here is not None]
    serious = [one for one in found if one.serious]
    if kind != "compiled" and serious:
        raise EnvironmentMismatch(refusal(manifest, requirements, serious), [detail(one) for one in serious])
    return {
        "name": manifest.name,
        "version": manifest.version,
        "runtime": kind,
        "requirements": f"functions/{requirements}",
        "python": python,
        "compared": compared(manifest, pinned),
        "differences": [detail(one) for one in found],
    }


def read(requirements: Path) -> dict[str, str]:
    found = pins(requirements)
    if not found:
        raise NotPackaged(f"functions/{requirements.name} pins nothing; scripts/lock makes it.")
    return found


def twin(name: str) -> str:
    return TWINS.get(normal(name), "")


def runtime(pyproject: Path) -> str:
    """The Python of the functions, for example 3.11."""
    found = REQUIRES_PYTHON.search(pyproject.read_text()) if pyproject.is_file() else None
    if found is None:
        raise NotPackaged(
            'pyproject.toml has no line requires-python = "==X.Y.*", from which Terraform takes the runtime.'
        )
    return found[1]


def compared(manifest: Manifest, pinned: dict[str, str]) -> list[str]:
    """What the version pins and the functions have; without any of it nothing was judged."""
    packages = manifest.environment.get("packages") or {}
    known = [name for name in packages if normal(name) in PARTS and (normal(name) in pinned or twin(name) in pinned)]
    return ["Python", *known] if manifest.environment.get("python") else known


def detail(one: Difference) -> dict[str, Any]:
    """`change` is what would make both agree."""
    change = python_change(one) if one.package == "Python" else f"{one.package}=={one.made}"
    return {"package": one.package, "version_has": one.made, "functions_have": one.here, "change": change}


def python_change(one: Difference) -> str:
    """The functions need the Python that they were written for, so an older one is no choice."""
    made = [int(part) for part in one.made.split(".")[:2]]
    if one.here is not None and made < [int(part) for part in one.here.split(".")[:2]]:
        return f"publish from Python {one.here}"
    return f'requires-python = "=={made[0]}.{made[1]}.*" in pyproject.toml'


def refusal(manifest: Manifest, requirements: str, serious: Sequence[Difference]) -> str:
    return (
        f"The functions would refuse {manifest.name} version {manifest.version}, which was made with another "
        f"{', '.join(one.package for one in serious)}. Make these changes in functions/{requirements.replace('.txt', '.in')} and run "
        f"scripts/lock, or publish from an environment that has what functions/{requirements} has."
    )
