"""The wheel in an environment of another scikit-learn, where a model is trained and published; this one serves it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from zipfile import ZipFile

import pytest

from command_line import CommandLine
from modelserve.store.trust.environment import find_installed
from modelserve_control.common.processes import SOURCES
from serving import serving

# Building, installing, training and publishing take half a minute; this is for a busy machine without a cache.
pytestmark = pytest.mark.timeout(300)

SKLEARN: Final = "1.5.2"
UV: Final = str(Path(sys.executable).with_name("uv"))
PACKAGES: Final = {"modelserve": SOURCES / "functions", "modelserve_control": SOURCES / "scripts"}


def run(*words: object, code: int = 0, **settings: str) -> str:
    """What it prints."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    done = subprocess.run(
        [str(word) for word in words], env=environ | settings, capture_output=True, text=True, check=False, timeout=250
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy: setuptools leaves files where it builds."""
    root = tmp_path_factory.mktemp("source")
    for name, folder in PACKAGES.items():
        copy = root / folder.name / name
        shutil.copytree(folder / name, copy, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(SOURCES / name, root)
    run(UV, "build", "--quiet", "--wheel", root, "--out-dir", root / "dist")
    (built,) = (root / "dist").glob("*.whl")
    return built


@dataclass(frozen=True)
class Elsewhere:
    """An environment with the wheel and another scikit-learn, and a model that was trained in it."""

    bin: Path
    model: Path
    trained: dict[str, Any]
    store: Path

    def modelserve(self, *words: object, code: int = 0) -> Any:
        return json.loads(run(self.bin / "modelserve", *words, "--json", code=code, MODELSERVE_STORE=str(self.store)))


@pytest.fixture(scope="module")
def elsewhere(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Elsewhere:
    """All other packages are the locked ones, which the cache of uv has."""
    root = tmp_path_factory.mktemp("elsewhere")
    locked = re.findall(r"^[a-z0-9-]+==[^ ]+", (SOURCES / "scripts/requirements.txt").read_text(), re.MULTILINE)
    (root / "constraints").write_text("\n".join(pin for pin in locked if not pin.startswith("scikit-learn==")))
    run(UV, "venv", "--quiet", "--python", sys.executable, root / "venv")
    python = root / "venv/bin/python"
    install = (UV, "pip", "install", "--quiet", "--python", python, "--constraints", root / "constraints")
    run(*install, f"{wheel}[publish]", f"scikit-learn=={SKLEARN}")
    trained = run(python, Path(__file__).with_name("trained_elsewhere.py"), root / "model")
    (root / "store").mkdir()
    return Elsewhere(python.parent, root / "model", json.loads(trained), root / "store")


def test_the_wheel_holds_every_file_of_both_packages(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        names = archive.namelist()
    for package, folder in PACKAGES.items():
        tracked = run("git", "-C", folder, "ls-files", package).splitlines()
        assert len(tracked) > 50
        assert set(tracked) <= set(names)
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_a_model_is_published_where_it_was_trained_and_served_from_here(elsewhere: Elsewhere, tmp_path: Path) -> None:
    assert find_installed("scikit-learn") != SKLEARN
    words = ("publish", elsewhere.model, "--name", "churn", "--alias", "champion", "--compile", "require")
    assert elsewhere.modelserve(*words)["runtime"] == "compiled"
    shown = elsewhere.modelserve("show", "churn@champion")
    assert shown["manifest"]["environment"]["packages"]["scikit-learn"] == SKLEARN
    log = tmp_path / "log"
    settings = {"MODEL_URI": f"{elsewhere.store}/models/churn@champion", "MODEL_TRUST": "strict", "LOG_LEVEL": "DEBUG"}
    with serving(log, settings, cold=True) as served:
        results = served.post("/predict", elsewhere.trained["rows"]).json()
    found = [list(result["probabilities"].values()) for result in results]
    assert found == [pytest.approx(row) for row in elsewhere.trained["probabilities"]]
    assert f"made with scikit-learn {SKLEARN}, this server has {find_installed('scikit-learn')}" in log.read_text()


def test_a_model_from_another_environment_is_validated_in_one_like_it(elsewhere: Elsewhere, tmp_path: Path) -> None:
    """The second time it is there already: nothing is installed."""
    cache = {name: value for name, value in os.environ.items() if name.startswith(("UV_", "SSL_"))}
    cache |= {"XDG_CACHE_HOME": str(tmp_path / "cache"), "UV_CACHE_DIR": run(UV, "cache", "dir").strip()}
    words = ("publish", elsewhere.model, "--name", "churn", "--json")
    for more, offline, kind in (("--create", {}, "compiled"), ("--compile=never", {"UV_NO_INDEX": "true"}, "native")):
        done = CommandLine(str(tmp_path / "store"), cache | offline)(*words, more)
        assert json.loads(done.out)["runtime"] == kind, done.err
        assert ("building an environment" in done.err) == (kind == "compiled")
    assert "functions with other packages refuse this native version" in done.err
    shown = CommandLine(str(tmp_path / "store")).json("show", "churn/1")
    assert shown["manifest"]["environment"]["packages"]["scikit-learn"] == SKLEARN


def test_a_model_from_another_environment_is_refused_with_the_way_out(elsewhere: Elsewhere, tmp_path: Path) -> None:
    environ = {"XDG_CACHE_HOME": str(tmp_path), "UV_NO_INDEX": "true", "UV_CACHE_DIR": str(tmp_path / "empty")}
    command = CommandLine(str(tmp_path), environ)
    for more, reason in (("--env=kit", "Or leave out --env kit"), ("--env=model", "could not be installed here: ")):
        refused = command.json("publish", elsewhere.model, "--name", "churn", more, code=1)
        assert refused["error_code"] == "ENVIRONMENT_MISMATCH"
        assert f"made with scikit-learn {SKLEARN}, this environment has" in refused["message"]
        assert 'pip install "/path/to/modelserve[publish]" there' in refused["message"]
        assert reason in refused["message"]


def test_what_a_command_lacks_is_named(elsewhere: Elsewhere, tmp_path: Path) -> None:
    words = ("rollout", "--project", "p", "--region", "r", "--predict", "churn-predict")
    refused = elsewhere.modelserve(*words, code=1)
    assert refused["error_code"] == "PACKAGES_MISSING"
    assert "google-cloud-run" in refused["message"]
    assert 'pip install "/path/to/modelserve[cloud]"' in refused["message"]
    lacks = elsewhere.modelserve("console", code=1)["message"]
    assert lacks == 'This command needs dash; pip install "/path/to/modelserve[console,publish,monitor]" installs them.'
    assert elsewhere.modelserve("doctor", "churn/1", code=1)["error_code"] == "NO_CHECKOUT"
    package = ("package", "--runtime", "native", "--out", tmp_path)
    assert elsewhere.modelserve(*package, code=1)["error_code"] == "NO_CHECKOUT"
    assert "source tree" in elsewhere.modelserve("local", "up", code=1)["message"]
