"""Environments with the packages that models were made with, where they are validated and compiled.

uv builds one for each list of packages, once, below `$XDG_CACHE_HOME/modelserve/environments`.
"""

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import requires
from pathlib import Path
from typing import Final

import modelserve
import modelserve_control
from modelserve.store.trust.environment import PARTS, environment_of, normal
from modelserve.store.trust.mlmodel import config, read
from modelserve_control.common.progress import Progress

BUILD_SECONDS: Final = 1_200  # a slow network, and packages of gigabytes
# This kit brings its own. A model needs no certain version of it, and the whole package has a hundred dependencies.
MLFLOW: Final = frozenset({"mlflow", "mlflow-skinny"})


@dataclass(frozen=True)
class Packages:
    """What an environment has: a Python such as 3.11, and requirements as for pip."""

    python: str
    pins: tuple[str, ...]
    own: tuple[str, ...]

    @cached_property
    def digest(self) -> str:
        return hashlib.sha256("\n".join((self.python, *self.pins, *self.own)).encode()).hexdigest()[:16]


class BuildFailed(Exception):
    """The message says why, as uv does."""


def packages_of(directory: Path, trust: str) -> Packages:
    """Of a model that the policy has checked. Installing a package may run its code, so under `strict` a model only decides
    the versions of packages that this kit knows."""
    environment = environment_of(directory, config(read(directory)).flavors)
    made = {normal(name): version for name, version in environment["packages"].items()}
    chosen = [name for name in made if name not in MLFLOW and (trust != "strict" or name in PARTS)]
    python = environment.get("python") or platform.python_version()
    pins = tuple(f"{name}=={made[name]}" for name in sorted(chosen))
    return Packages(".".join(python.split(".")[:2]), pins, tuple(own_requirements()))


def own_requirements() -> Iterator[str]:
    """What `modelserve publish` needs."""
    for line in requires("modelserve-kit") or ():
        requirement, _, marker = line.partition(";")
        if not marker or 'extra == "publish"' in marker:
            yield requirement.strip()


def build(packages: Packages, progress: Progress) -> list[str]:
    """The words that start its Python with the modules of this kit. Raises BuildFailed."""
    home = cache_home() / packages.digest
    home.parent.mkdir(parents=True, exist_ok=True)
    complete = home / "complete"
    with lock(home.with_suffix(".lock")):
        if not complete.is_file():
            progress.say(f"building an environment with {', '.join(packages.pins)}; it is kept in {home}")
            shutil.rmtree(home, ignore_errors=True)
            install(home, packages)
            complete.touch()
        link_kit(home / "kit")
    return ["env", f"PYTHONPATH={home / 'kit'}", str(home / "bin/python")]


def cache_home() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "modelserve" / "environments"


@contextmanager
def lock(path: Path) -> Iterator[None]:
    """Other publishers of such a model wait."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def install(home: Path, packages: Packages) -> None:
    here = ".".join(platform.python_version_tuple()[:2])
    uv(["venv", "--python", sys.executable if packages.python == here else packages.python, str(home)])
    # Only wheels: building a source archive would run its code.
    words = ["pip", "install", "--only-binary", ":all:", "--python", str(home / "bin/python")]
    uv([*words, *packages.pins, *packages.own])


def uv(words: Sequence[str]) -> None:
    program = shutil.which("uv", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
    if program is None:
        raise BuildFailed("uv, which builds environments, is not installed.")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    try:
        done = subprocess.run(
            [program, *words], env=environ, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise BuildFailed(f"uv did not end within {BUILD_SECONDS:,} s.") from None
    if done.returncode:
        _, _, reason = done.stderr.partition("error: ")
        raise BuildFailed(" ".join((reason or done.stderr).split())[:1_000])


def link_kit(folder: Path) -> None:
    """Only these two packages: what else is installed beside them must stay out."""
    folder.mkdir(exist_ok=True)
    for package in (modelserve, modelserve_control):
        link, target = folder / package.__name__, Path(str(package.__file__)).parent
        if link.is_symlink() and link.readlink() == target:
            continue
        link.unlink(missing_ok=True)
        link.symlink_to(target)
