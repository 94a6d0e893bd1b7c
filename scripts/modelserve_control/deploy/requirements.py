"""The requirements of functions that hold everything one version needs."""

from pathlib import Path
from tempfile import TemporaryDirectory

from modelserve.core.errors import EnvironmentMismatch
from modelserve.store.versions.manifest import Manifest
from modelserve_control.common.errors import NotPackaged
from modelserve_control.common.processes import checkout
from modelserve_control.deploy.doctor import NOT_IMPORTED
from modelserve_control.deploy.package import REQUIREMENTS, python_version
from modelserve_control.publish import environments


def requirements_for(manifest: Manifest, root: Path | None = None) -> bytes:
    """Locked with hashes. A compiled version needs what is locked already; a native one also the pins it was made with.

    Raises EnvironmentMismatch where it was made with another Python, and NotPackaged."""
    functions = (root or checkout()) / "functions"
    name = REQUIREMENTS[manifest.runtime["kind"]]
    if manifest.runtime["kind"] == "compiled":
        return (functions / name).read_bytes()
    python = python_version(functions.parent)
    made = str(manifest.environment.get("python") or python)
    if made.split(".")[:2] != python.split("."):
        raise EnvironmentMismatch(
            f"{manifest.name} version {manifest.version} was made with Python {made}, and the functions run on {python}: "
            "write its Python into .python-version, or publish the model from this one."
        )
    with TemporaryDirectory(prefix="modelserve-") as scratch:
        wanted, locked = Path(scratch) / "wanted.in", Path(scratch) / "locked.txt"
        locked.write_bytes((functions / name).read_bytes())  # uv keeps what is locked where it fits
        try:
            pins = environments.pins_of(manifest.environment.get("packages") or {}, NOT_IMPORTED)
            wanted.write_text("\n".join([f"-r {functions / 'requirements.in'}", *pins, ""]))
            options = ["--quiet", "--no-header", "--no-annotate", "--generate-hashes", "--no-emit-index-url"]
            words = ["pip", "compile", *environments.WHEELS, *options, "--python-version", python]
            environments.uv([*words, str(wanted), "-o", str(locked)])
        except environments.BuildFailed as error:
            raise NotPackaged(
                f"The requirements of {manifest.name} version {manifest.version} and those of the functions "
                f"cannot be installed together: {error}"
            ) from error
        return locked.read_bytes()
