"""`modelserve doctor`: whether the functions would activate a version, from their pins, before they are built."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from modelserve.core.errors import EnvironmentMismatch, ServeError, VersionRefused
from modelserve.store.buckets.objects import Objects, read_object
from modelserve.store.names.locations import MLMODEL, version_prefix
from modelserve.store.trust.environment import PARTS, TWINS, Difference, differences, normal, pins
from modelserve.store.trust.mlmodel import MAX_BYTES, config, decode
from modelserve.store.trust.policy import ADVICE, check, check_strict
from modelserve_control.common.errors import NoCheckout, NotPackaged
from modelserve_control.common.processes import checkout
from modelserve_control.deploy.package import REQUIREMENTS, python_version
from modelserve_control.publish import source
from modelserve_control.registry import version_ref

# Requirements that no model is imported with. The functions have mlflow-skinny, the same modules as mlflow.
NOT_IMPORTED: Final = frozenset({"mlflow", "mlflow-skinny", "pip", "setuptools", "wheel"})


@dataclass(frozen=True)
class Subject:
    """A version, or a model that is not published yet, which has no version."""

    name: str
    version: str | None
    kind: str
    environment: Mapping[str, Any]
    strict_refuses: str | None = None
    """Why functions with MODEL_TRUST=strict refuse it."""

    def __str__(self) -> str:
        return f"{self.name} version {self.version}" if self.version else f"a native version of {self.name}"


def find_version(objects: Objects, what: str) -> Subject:
    manifest = version_ref.manifest(objects, what)
    kind = manifest.runtime["kind"]
    mlmodel = f"{version_prefix(manifest.name, manifest.version)}/{MLMODEL}"
    refuses = None if kind == "compiled" else strict_refusal(lambda: read_object(objects, mlmodel, MAX_BYTES)[0])
    return Subject(manifest.name, manifest.version, kind, manifest.environment, refuses)


def strict_refusal(read: Callable[[], bytes]) -> str | None:
    """`read` returns the MLmodel."""
    try:
        check_strict(config(decode(read())))
    except VersionRefused as error:
        return error.message
    return None


def find_warnings(objects: Objects, name: str, version: str) -> list[str]:
    """What functions need to activate a version, beyond their default setting and what this checkout builds."""
    try:
        subject = find_version(objects, f"{name}/{version}")
    except ServeError as error:  # the alias has moved, so the command has not failed
        return [f"Whether functions activate {name} version {version} is not known. {error.message}"]
    found = describe_trust(subject)
    try:
        doctor(subject)
    except EnvironmentMismatch as error:
        found.append(error.message)
    except (NoCheckout, NotPackaged):  # nothing is known of what the functions have
        pass
    return found


def describe_trust(subject: Subject) -> list[str]:
    if subject.strict_refuses is None:
        return []
    reason = subject.strict_refuses.removesuffix(ADVICE).rstrip()
    return [f"Functions activate {subject} only with MODEL_TRUST=pickle. {reason}"]


def find_source(what: str) -> Subject:
    """Of a directory or an address, as `publish` takes it. Nothing is loaded."""
    with TemporaryDirectory(prefix="modelserve-") as scratch:
        directory = source.fetch(what, Path(scratch)).directory
        refuses = strict_refusal((directory / MLMODEL).read_bytes)
        return Subject(what, None, "native", check(directory, "pickle").environment, refuses)


def doctor(subject: Subject, root: Path | None = None) -> dict[str, Any]:
    """The same comparison as a function makes when it loads the version, and whether it has what the model requires. `root`
    is the checkout.

    Raises EnvironmentMismatch, whose details are the pins to change, where the function would refuse the version, and
    NoCheckout.
    """
    root = root or checkout()
    kind = subject.kind
    requirements = REQUIREMENTS[kind]
    pinned = pins(root / "functions" / requirements)
    if not pinned:
        raise NotPackaged(f"functions/{requirements} pins nothing; scripts/lock makes it.")
    python = python_version(root)
    packages: Mapping[str, str] = subject.environment.get("packages") or {}
    found = differences(subject.environment, python, lambda name: pinned.get(normal(name)) or pinned.get(twin(name)))
    found += [Difference(name, packages[name], None, serious=True) for name in missing(packages, pinned)]
    if kind == "compiled":  # it is not unpickled, so the function may lack the packages that it was made with
        found = [one for one in found if one.here is not None]
    serious = [one for one in found if one.serious]
    if kind != "compiled" and serious:
        raise EnvironmentMismatch(refusal(subject, requirements, serious), [detail(one) for one in serious])
    # Without any of these packages nothing is compared.
    compared = ["Python"] if subject.environment.get("python") else []
    compared += [
        name for name in packages if normal(name) in PARTS and (normal(name) in pinned or twin(name) in pinned)
    ]
    return {
        "name": subject.name,
        "version": subject.version,
        "runtime": kind,
        "requirements": f"functions/{requirements}",
        "python": python,
        "compared": compared,
        "differences": [detail(one) for one in found],
        "warnings": describe_trust(subject),
    }


def missing(packages: Mapping[str, str], pinned: Mapping[str, str]) -> list[str]:
    """The requirements that the functions lack and the comparison of versions does not know."""
    known = {*pinned, *PARTS, *NOT_IMPORTED}
    return sorted(name for name in packages if normal(name) not in known and twin(name) not in pinned)


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


def refusal(subject: Subject, requirements: str, serious: Sequence[Difference]) -> str:
    other = [one.package for one in serious if one.here is not None]
    absent = [one.package for one in serious if one.here is None]
    faults = [f"was made with another {', '.join(other)}"] if other else []
    faults += [f"needs {', '.join(absent)}, which they lack"] if absent else []
    reference = f"{subject.name}/{subject.version}" if subject.version else "NAME/VERSION"
    return (
        f"The functions would refuse {subject}, which {' and '.join(faults)}. Build them with modelserve package --for "
        f"{reference}, or make these changes in functions/{requirements.replace('.txt', '.in')} and "
        "run scripts/lock, or publish it compiled: modelserve publish --compile require."
    )
