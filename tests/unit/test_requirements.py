"""R27: what is installed is locked by hash, and no older than what a known hole was closed in."""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pytest
from packaging.version import Version

ROOT: Final = Path(__file__).parents[2]
PROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS: Final = PROJECT["optional-dependencies"]
FILES: Final = subprocess.run(
    ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*requirements*.txt"],
    cwd=ROOT, check=True, capture_output=True, text=True,
).stdout.split()  # fmt: skip
FLOORS: Final = {
    "mlflow": "3.15",  # before, statsmodels unpickled although MLFLOW_ALLOW_PICKLE_DESERIALIZATION was false
    "mlflow-skinny": "3.15",
    "gunicorn": "23",  # CVE-2024-6827: request smuggling by Transfer-Encoding
    "werkzeug": "3.0.6",  # CVE-2024-49767: a small form that takes much memory
    "google-cloud-storage": "3.10.0",  # names that leave the directory of a download (issue 1768)
}
PIN: Final = re.compile(r"([a-z0-9._-]+)==([^ ;]+)(?: ;.*?)?((?: --hash=sha256:[0-9a-f]{64})+)")


def entries(text: str) -> list[str]:
    """Each requirement with its options on one line, without what follows from it in comments."""
    joined = text.replace("\\\n", " ")
    lines = (line for line in joined.splitlines() if line and not line.lstrip().startswith("#"))
    return [" ".join(line.split()) for line in lines]


def test_the_locked_files_are_known() -> None:
    assert {"functions/requirements.txt", "functions/requirements-compiled.txt", "scripts/requirements.txt"} <= {*FILES}
    assert all((ROOT / name).with_suffix(".in").is_file() for name in FILES), "scripts/lock writes them"


@pytest.mark.parametrize("name", FILES)
def test_everything_is_locked_by_hash_and_nothing_is_older_than_its_floor(name: str) -> None:
    pins = {entry: PIN.fullmatch(entry) for entry in entries((ROOT / name).read_text())}
    assert [entry for entry, pin in pins.items() if pin is None] == []
    found = {pin[1]: pin[2] for pin in pins.values() if pin}
    assert len(found) > 5
    old = {
        package: found[package]
        for package, floor in FLOORS.items()
        if package in found and Version(found[package]) < Version(floor)
    }
    assert old == {}


def test_the_functions_have_what_the_floors_are_for() -> None:
    locked = (ROOT / "functions/requirements.txt").read_text()
    assert [package for package in FLOORS if f"\n{package}==" not in locked] == ["mlflow"]  # it is mlflow-skinny there


def merged(*lists: Iterable[str]) -> set[str]:
    """Without those that another one bounds."""
    every = {line for lines in lists for line in lines}
    bounded = {re.split("[<>]", line)[0] for line in every if re.search("[<>]", line)}
    return every - bounded


def wanted(path: Path) -> list[str]:
    """The requirements of a file and of those that it includes."""
    lines = entries(path.read_text())
    included = [path.parent / line.removeprefix("-r ") for line in lines if line.startswith("-r ")]
    return [line for line in lines if not line.startswith("-")] + [one for file in included for one in wanted(file)]


def test_the_extra_serve_is_what_the_functions_need() -> None:
    functions = merged(wanted(ROOT / "functions/requirements.in"))
    assert merged(EXTRAS["serve"], PROJECT["dependencies"]) == functions | {"click", "rich"}
    assert set(EXTRAS["serve"]) & set(PROJECT["dependencies"]) == set()


@pytest.mark.parametrize("extra", ["publish", "cloud", "monitor"])
def test_the_other_extras_are_bounded_as_what_is_locked(extra: str) -> None:
    assert {*EXTRAS[extra], *PROJECT["dependencies"]} <= merged(wanted(ROOT / "scripts/requirements.in"))


def test_the_page_of_installing_says_what_each_extra_is_for() -> None:
    page = (ROOT / "docs" / "install.md").read_text()
    assert [extra for extra in EXTRAS if f"\n| `{extra}` | " not in page] == []
