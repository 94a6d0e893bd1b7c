"""Environments with the packages that models were made with, where they are validated and compiled.

uv builds one for each list of packages, once, below `$XDG_CACHE_HOME/modelserve/environments`.
"""

import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import requires
from pathlib import Path
from typing import Any, Final

import yaml

import modelserve
import modelserve_control
from modelserve.store.trust import strict_yaml
from modelserve.store.trust.environment import MAX_BYTES, PARTS, environment_of, find_installed, normal, read_lines
from modelserve.store.trust.mlmodel import config, read
from modelserve_control.common.progress import Progress

WHEELS: Final = ("--only-binary", ":all:")  # to build a source archive, or only to read what it needs, runs its code
BUILD_SECONDS: Final = 1_200  # a slow network, and packages of gigabytes
# This kit brings its own. A model needs no certain version of it, and the whole package has a hundred dependencies.
MLFLOW: Final = frozenset({"mlflow", "mlflow-skinny"})

# What a model may install: a version of a package of the index. uv would also take options (another index), addresses, files,
# and directories, whose Python it would start.
PIN: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?==[0-9][A-Za-z0-9.!+_-]*")
PYTHON: Final = re.compile(r"[0-9]+(?:\.[0-9]+)+[A-Za-z0-9.+]*")
# A line of requirements.txt, or of the list of pip in conda.yaml: a package with extras and limits of its version. What
# comes behind decides nothing here: a marker, a hash or a comment.
LIMIT: Final = r"(?:===?|!=|~=|[<>]=?) ?(?:[0-9]+!)?[A-Za-z0-9.*+_-]+ ?"
LINE: Final = re.compile(
    rf"(?:[A-Za-z0-9][A-Za-z0-9._-]* ?(?:\[[^\]]*\])? ?(?:{LIMIT}(?:, ?{LIMIT})*)?(?:;[^\\]*|(?:--hash=[^ \\]+(?: |$))*(?:#.*)?)|#.*)?"
)
MINIMUM: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)[^;]*?>=\s*([0-9]+(?:\.[0-9]+)*)")
RELEASE: Final = re.compile(r"[0-9]+(?:\.[0-9]+)*")


@dataclass(frozen=True)
class Packages:
    """What an environment has: a Python such as 3.11, and requirements as for pip, those of the model in the form of PIN."""

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
    the versions of packages that this kit knows. Raises BuildFailed."""
    check_requirements(directory)
    environment = environment_of(directory, config(read(directory)).flavors)
    made = {normal(name): version for name, version in environment["packages"].items()}
    chosen = {name: made[name] for name in sorted(made) if trust != "strict" or name in PARTS}
    python = environment.get("python") or platform.python_version()
    if not PYTHON.fullmatch(python):
        raise BuildFailed(f"The model was made with Python {python!r}, which is no version such as 3.11.7.")
    return Packages(".".join(python.split(".")[:2]), pins_of(chosen, MLFLOW), tuple(own_requirements()))


def pins_of(packages: Mapping[str, Any], left_out: Collection[str]) -> tuple[str, ...]:
    """NAME==VERSION of each. Raises BuildFailed if uv would read something else."""
    pins = tuple(f"{name}=={version}" for name, version in packages.items() if normal(name) not in left_out)
    for pin in pins:
        if not PIN.fullmatch(pin):
            raise BuildFailed(f"The model has {pin!r}, which is no version of a package: nothing else is installed.")
    return pins


def check_requirements(directory: Path) -> None:
    """Raises BuildFailed for a line that pip would follow to another index, an address or a file."""
    for file, lines in (
        ("requirements.txt", read_lines(directory / "requirements.txt")),
        ("conda.yaml", read_pip_list(directory / "conda.yaml")),
    ):
        for line in lines:
            if not LINE.fullmatch(line):
                raise BuildFailed(
                    f"The model's {file} has the line {line[:200]!r}, which names no package of the index: nothing else is installed."
                )


def read_pip_list(file: Path) -> list[str]:
    """What conda.yaml names for pip, in whatever form of YAML. Raises BuildFailed."""
    if not file.is_file():
        return []
    with file.open("rb") as opened:
        data = opened.read(MAX_BYTES + 1)
    try:
        conda = strict_yaml.load(data)
    except (yaml.YAMLError, ValueError) as error:
        raise BuildFailed(f"The model's conda.yaml cannot be read: {' '.join(str(error).split())[:200]}.") from error
    if len(data) > MAX_BYTES:
        raise BuildFailed(f"The model's conda.yaml is longer than {MAX_BYTES:,} bytes.")
    found = conda.get("dependencies") if isinstance(conda, Mapping) else None
    lists = [value for one in as_list(found) if isinstance(one, Mapping) for value in one.values()]
    return [" ".join(str(line).split()) for one in lists for line in as_list(one)]


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def own_requirements() -> Iterator[str]:
    """What `modelserve publish` needs."""
    for line in requires("modelserve-kit") or ():
        requirement, _, marker = line.partition(";")
        if not marker or 'extra == "publish"' in marker:
            yield requirement.strip()


def check_minimums(packages: Packages) -> None:
    """Raises BuildFailed for a version that is older than this kit takes, of which uv says more than anybody reads."""
    minimums = {normal(match[1]): match[2] for line in packages.own if (match := MINIMUM.match(line))}
    for pin in packages.pins:
        name, _, made = pin.partition("==")
        minimum = minimums.get(normal(name))
        if minimum is not None and release(made) < release(minimum):
            here = find_installed(name)
            example = f", such as {here}, which is installed here" if here else ""
            raise BuildFailed(
                f"this kit reads models of {name} {minimum} or later, so train the model again with one of them{example}."
            )


def release(version: str) -> tuple[int, ...]:
    match = RELEASE.match(version)
    return tuple(map(int, match[0].split("."))) if match else ()


def build(packages: Packages, progress: Progress) -> list[str]:
    """The words that start its Python with the modules of this kit. Raises BuildFailed."""
    check_minimums(packages)
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
    words = ["pip", "install", *WHEELS, "--python", str(home / "bin/python")]
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
