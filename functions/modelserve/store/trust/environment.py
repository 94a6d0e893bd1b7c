"""Whether this process can unpickle what another one pickled, decided before a version gets traffic."""

import platform
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from modelserve.core.errors import EnvironmentMismatch

MAX_BYTES = 1 << 20

# How many parts of the version must agree. A pickled estimator is its attributes, so scikit-learn itself warns of any
# difference. The others have a format of their own for each minor version, or for NumPy and cloudpickle each major version.
PARTS: Final[Mapping[str, int]] = {
    "scikit-learn": 3,
    "imbalanced-learn": 3,
    "catboost": 2,
    "category-encoders": 2,
    "cloudpickle": 1,
    "joblib": 1,
    "keras": 2,
    "lightgbm": 2,
    "numpy": 1,
    "pandas": 2,
    "prophet": 2,
    "scipy": 2,
    "skops": 2,
    "statsmodels": 2,
    "tensorflow": 2,
    "torch": 2,
    "xgboost": 2,
}

# Of models that MLflow 1 saved, whose conda.yaml names no version: what the flavors say themselves.
VERSION_KEYS: Final[Mapping[str, str]] = {
    "catboost_version": "catboost",
    "cloudpickle_version": "cloudpickle",
    "keras_version": "keras",
    "lgb_version": "lightgbm",
    "prophet_version": "prophet",
    "pytorch_version": "torch",
    "sklearn_version": "scikit-learn",
    "statsmodels_version": "statsmodels",
    "xgb_version": "xgboost",
}

_PINNED = re.compile(
    r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*===?\s*([^\s;#,*]+)\s*(?:[;#].*|--hash.*|\\)?"
)
# A package of conda, or one of pip in the list below it.
_CONDA = re.compile(
    r"\s*-\s*['\"]?(?:[\w.-]+::)?([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?\s*(={1,3})\s*([0-9][^\s=;#,*'\"]*)(?:=[^\s'\"]*)?['\"]?\s*"
)
_PYTHON = re.compile(r"^python:\s*['\"]?([0-9]+(?:\.[0-9]+)+)['\"]?\s*$", re.MULTILINE)


def check_environment(environment: Mapping[str, Any], kind: str) -> list[str]:
    """`environment` is the manifest's `{"python": "3.11.7", "packages": {name: version}}`. Returns warnings. Raises
    `EnvironmentMismatch` for a serious difference of a native model; a compiled one unpickles nothing."""
    found = differences(environment, platform.python_version(), find_installed)
    serious = [str(one) for one in found if one.serious]
    slight = [str(one) for one in found if not one.serious]
    if kind == "compiled" or not serious:
        return serious + slight
    raise EnvironmentMismatch(
        f"This version was {'; '.join(serious)}; publish it compiled (modelserve publish --compile require), "
        "publish it from the server's versions, or build the function with the model's (modelserve package --for)."
    )


@dataclass(frozen=True)
class Difference:
    """`here` is None if the package is not installed. The native runtime refuses a serious difference."""

    package: str
    made: str
    here: str | None
    serious: bool

    def __str__(self) -> str:
        return f"made with {self.package} {self.made}, this server has {self.here or 'none'}"


def differences(environment: Mapping[str, Any], python: str, find: Callable[[str], str | None]) -> list[Difference]:
    """Between a version and a server with this Python, which comes first. `find` returns the server's version of a package."""
    result: list[Difference] = []
    made = environment.get("python")
    if isinstance(made, str) and not _agree(made, python, 2):
        result.append(Difference("Python", made, python, serious=True))
    packages = environment.get("packages")
    for name, made in sorted(packages.items()) if isinstance(packages, Mapping) else ():
        parts = PARTS.get(normal(name))
        if parts is None or not isinstance(made, str) or made == (here := find(name)):
            continue
        result.append(Difference(name, made, here, serious=not (here and _agree(made, here, parts))))
    return result


def _agree(made: str, here: str, parts: int) -> bool:
    """Whether the first `parts` agree. A local label such as +cpu is ignored."""
    return made.partition("+")[0].split(".")[:parts] == here.partition("+")[0].split(".")[:parts]


# The same package under another name. MLflow writes both into requirements if it finds either.
TWINS: Final[dict[str, str]] = {"xgboost": "xgboost-cpu"}


def find_installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        twin = TWINS.get(normal(name))
        return find_installed(twin) if twin else None


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def environment_of(directory: Path, flavors: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """From the files beside MLmodel and its flavors, in the form of the manifest. Only pinned packages are included."""
    conda = conda_pins(directory / "conda.yaml")
    # Only one line is read, so that the rest of a hostile file is not parsed.
    line = _PYTHON.search(_head(directory / "python_env.yaml"))
    python = conda.pop("python", None)
    python = (line[1] if line else python) or flavors.get("python_function", {}).get("python_version")
    packages = flavor_versions(flavors) | conda | pins(directory / "requirements.txt")
    return {"python": python, "packages": packages} if isinstance(python, str) else {"packages": packages}


def flavor_versions(flavors: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    found = [(VERSION_KEYS.get(key), value) for flavor in flavors.values() for key, value in flavor.items()]
    return {package: value for package, value in found if package and isinstance(value, str)}


def conda_pins(file: Path) -> dict[str, str]:
    """Versions by normalized name, Python's among them. The file is not parsed: MLflow writes a line for each package."""
    found = [match for line in read_lines(file) if (match := _CONDA.fullmatch(line))]
    # conda's single = takes every version that begins so.
    exact = [match for match in found if match[2] != "=" or match[3].count(".") >= 2 or match[1] == "python"]
    return {normal(match[1]): match[3] for match in exact}


def pins(requirements: Path) -> dict[str, str]:
    """Versions by normalized name. A line that allows several versions is left out."""
    return {normal(found[1]): found[2] for line in read_lines(requirements) if (found := _PINNED.fullmatch(line))}


def read_lines(file: Path) -> list[str]:
    """With single spaces: the time of a regular expression may grow with the square of a run of them."""
    return [" ".join(line.split()) for line in _head(file).splitlines()]


def _head(path: Path) -> str:
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return file.read(MAX_BYTES).decode(errors="replace")
