"""Versions of real models against the functions' real pins, and against changed ones."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from command_line import CommandLine
from models.library import Library
from modelserve.core.errors import EnvironmentMismatch, NotFound, VersionRefused
from modelserve.store.buckets.objects import Objects
from modelserve.store.trust.environment import Difference, pins
from modelserve_control.common.errors import NotPackaged
from modelserve_control.common.processes import SOURCES
from modelserve_control.common.progress import Lines
from modelserve_control.deploy.doctor import detail, doctor, find_source, find_version, find_warnings
from modelserve_control.deploy.package import python_version
from modelserve_control.deploy.release.options import ReleaseOptions
from modelserve_control.deploy.release.steps import Release
from modelserve_control.registry import catalog
from modelserve_control.registry.catalog import open_store
from serving import release

PINNED = pins(SOURCES / "functions" / "requirements.txt")
SKLEARN = PINNED["scikit-learn"]


@pytest.fixture(scope="module")
def store(models: Library, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`linear` as MLflow saves it here, compiled in version 2; `old` as it would be from another environment."""
    path = tmp_path_factory.mktemp("store")
    release(path, "linear", models.path("linear10"))
    release(path, "linear", models.path("linear10"), runtime="compiled")
    old = models.copy("linear10", tmp_path_factory.mktemp("old") / "model")
    edit(old / "requirements.txt", r"scikit-learn==.*", "scikit-learn==1.2.2")
    edit(old / "python_env.yaml", r"python: .*", "python: 3.8.18")
    release(path, "old", old)
    release(path, "old", old, runtime="compiled", alias="challenger")
    pickled = models.copy("linear10", tmp_path_factory.mktemp("pickled") / "model")
    edit(pickled / "MLmodel", "serialization_format: skops", "serialization_format: cloudpickle")
    release(path, "pickled", pickled)
    return path


def edit(path: Path, pattern: str, text: str) -> None:
    before = path.read_text()
    after = re.sub(pattern, text, before)
    assert after != before, path
    path.write_text(after)


@pytest.fixture
def objects(store: Path) -> Iterator[Objects]:
    with open_store(str(store)) as found:
        yield found


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What doctor reads of one."""
    (tmp_path / "functions").mkdir()
    for name in (".python-version", "functions/requirements.txt", "functions/requirements-compiled.txt"):
        shutil.copy(SOURCES / name, tmp_path / name)
    return tmp_path


def test_a_version_from_this_environment_fits(objects: Objects) -> None:
    found = doctor(find_version(objects, "linear/1"))
    assert (found["name"], found["version"], found["runtime"]) == ("linear", "1", "native")
    assert found["requirements"] == "functions/requirements.txt"
    assert {"Python", "scikit-learn", "numpy"} <= set(found["compared"])
    assert found["differences"] == []


def test_a_promotion_warns_of_what_functions_do_not_activate(objects: Objects) -> None:
    assert [find_warnings(objects, "linear", version) for version in "12"] == [[], []]
    trust = (
        "Functions activate pickled version 1 only with MODEL_TRUST=pickle. MODEL_TRUST=strict refuses this version: its "
        "model is in the form 'cloudpickle'; save it with serialization_format='skops'."
    )
    assert find_warnings(objects, "pickled", "1") == [trust]
    assert doctor(find_version(objects, "pickled/1"))["warnings"] == [trust]
    with pytest.raises(EnvironmentMismatch) as refused:
        doctor(find_version(objects, "old/1"))
    assert find_warnings(objects, "old", "1") == [refused.value.message]
    assert find_warnings(objects, "old", "2") == []


def test_a_promotion_is_no_failure_where_its_version_cannot_be_read_afterwards(store: Path, tmp_path: Path) -> None:
    shutil.copytree(store, tmp_path / "store")
    (tmp_path / "store/models/linear/versions/1/MLmodel").unlink()
    moved = CommandLine(str(tmp_path / "store"))("promote", "linear", "1", "--alias", "candidate")
    assert "warning: Whether functions activate linear version 1 is not known. " in moved.err
    assert "MODEL_TRUST" not in moved.err


def test_the_command_says_so(store: Path) -> None:
    command = CommandLine(str(store))
    said = command("promote", "pickled", "1", "--alias", "candidate").err
    assert "warning: Functions activate pickled version 1 only with MODEL_TRUST=pickle. " in said
    assert "warning" not in command("promote", "linear", "1", "--alias", "candidate").err


def test_a_release_refuses_what_functions_of_its_trust_refuse(objects: Objects) -> None:
    options = ReleaseOptions("pickled", "1", "", "", Path("limits.yaml"))
    manifest = catalog.manifest(objects, "pickled", "1")

    def check(trust: str) -> Mapping[str, Any]:
        return Release(objects, replace(options, trust=trust), manifest, cast(Any, None), Lines(), SOURCES).check()

    with pytest.raises(VersionRefused, match=r"cloudpickle.* pass --trust pickle to the command"):
        check("strict")
    assert check("pickle")["differences"] == []


def test_a_version_from_another_environment_does_not(objects: Objects) -> None:
    with pytest.raises(EnvironmentMismatch) as refused:
        doctor(find_version(objects, "old/1"))
    assert refused.value.message == (
        "The functions would refuse old version 1, which was made with another Python, scikit-learn. Build them with modelserve "
        "package --for old/1, or make these changes in functions/requirements.in and run scripts/lock, or publish it compiled: "
        "modelserve publish --compile require."
    )
    assert refused.value.details == [
        {
            "package": "Python",
            "version_has": "3.8.18",
            "functions_have": "3.11",
            "change": "publish from Python 3.11",
        },
        {
            "package": "scikit-learn",
            "version_has": "1.2.2",
            "functions_have": SKLEARN,
            "change": "scikit-learn==1.2.2",
        },
    ]


def test_a_newer_python_can_be_chosen() -> None:
    found = detail(Difference("Python", "3.13.1", "3.11", serious=True))
    assert found["change"] == "3.13 in .python-version"


def test_a_compiled_version_does_not_unpickle(objects: Objects) -> None:
    found = doctor(find_version(objects, "old@challenger"))
    assert found["runtime"] == "compiled"
    assert found["requirements"] == "functions/requirements-compiled.txt"
    assert [one["package"] for one in found["differences"]] == ["Python"]


def test_functions_that_lag_behind_are_found(objects: Objects, checkout: Path) -> None:
    edit(checkout / "functions/requirements.txt", rf"scikit-learn=={SKLEARN}", "scikit-learn==1.0.2")
    with pytest.raises(EnvironmentMismatch) as refused:
        doctor(find_version(objects, "linear/1"), checkout)
    assert "another scikit-learn. " in refused.value.message
    assert [one["functions_have"] for one in refused.value.details] == ["1.0.2"]


def test_functions_without_a_package_are_found(objects: Objects, checkout: Path) -> None:
    edit(checkout / "functions/requirements.txt", r"cloudpickle==", "other==")
    with pytest.raises(EnvironmentMismatch) as refused:
        doctor(find_version(objects, "linear/1"), checkout)
    assert [(one["package"], one["functions_have"]) for one in refused.value.details] == [("cloudpickle", None)]


def test_every_requirement_that_the_functions_lack_is_named_before_it_is_published(
    models: Library, tmp_path: Path
) -> None:
    model = models.copy("linear10", tmp_path / "model")
    assert doctor(find_source(str(model)))["differences"] == []
    with (model / "requirements.txt").open("a") as file:
        file.write("\nkeras==3.15.1\njax==0.10.2\nMy_Own==1\nxgboost==3.0\npip==1\nmlflow==2.0\n")
    with pytest.raises(EnvironmentMismatch) as refused:
        doctor(find_source(str(model)))
    assert (
        f"a native version of {model}, which needs keras, xgboost, jax, my-own, which they lack"
        in refused.value.message
    )


def test_a_small_difference_is_told_and_fits(objects: Objects, checkout: Path) -> None:
    edit(checkout / "functions/requirements.txt", rf"numpy=={PINNED['numpy']}", "numpy==2.999.0")
    found = doctor(find_version(objects, "linear/1"), checkout)
    assert [(one["package"], one["functions_have"]) for one in found["differences"]] == [("numpy", "2.999.0")]


def test_the_runtime_is_what_terraform_takes(checkout: Path, objects: Objects) -> None:
    text = (SOURCES / "terraform" / "functions.tf").read_text()
    assert 'file("${path.module}/../.python-version")' in text
    edit(checkout / ".python-version", "3.11", "3.13")
    assert python_version(checkout) == "3.13"
    with pytest.raises(EnvironmentMismatch, match="made with another Python"):
        doctor(find_version(objects, "linear/1"), checkout)


@pytest.mark.parametrize("name", [".python-version", "functions/requirements.txt"])
def test_a_checkout_that_misses_something_is_refused(objects: Objects, checkout: Path, name: str) -> None:
    (checkout / name).unlink()
    with pytest.raises(NotPackaged, match=Path(name).name):
        doctor(find_version(objects, "linear/1"), checkout)


def test_a_version_that_does_not_exist_is_named(objects: Objects) -> None:
    with pytest.raises(NotFound, match="linear has no version 9"):
        doctor(find_version(objects, "linear/9"))


def test_the_command_is_a_gate(store: Path) -> None:
    command = CommandLine(str(store))
    fits = command("doctor", "linear/1").out
    assert fits.startswith("linear version 1 (native) fits Python 3.11 and functions/requirements.txt: Python, ")
    refused = command("doctor", "old", code=1)
    assert refused.out == ""
    assert "package: scikit-learn, version_has: 1.2.2" in refused.err
    told = command.json("doctor", "old/1", code=1)
    assert told["error_code"] == "ENVIRONMENT_MISMATCH"
    assert [one["change"] for one in told["details"]][1] == "scikit-learn==1.2.2"
