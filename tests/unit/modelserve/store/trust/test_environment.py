from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from modelserve.core.errors import EnvironmentMismatch
from modelserve.store.trust.environment import TWINS, check_environment, environment_of, find_installed

HERE = platform.python_version()
SKLEARN = version("scikit-learn")


def make_environment(python: str = HERE, **packages: str) -> dict[str, Any]:
    return {"python": python, "packages": {name.replace("_", "-"): text for name, text in packages.items()}}


SERIOUS = {
    "another scikit-learn": (
        make_environment(scikit_learn="1.5.0"),
        f"made with scikit-learn 1.5.0, this server has {SKLEARN}",
    ),
    "another patch of scikit-learn": (make_environment(scikit_learn=SKLEARN + "9"), f"this server has {SKLEARN}"),
    "another Python": (make_environment("3.9.18"), f"made with Python 3.9.18, this server has {HERE}"),
    "a package that is not here": (
        make_environment(catboost="3.0.0"),
        "made with catboost 3.0.0, this server has none",
    ),
    "another NumPy": (make_environment(numpy="1.26.4"), "made with numpy 1.26.4"),
}


@pytest.mark.parametrize(("environment", "message"), SERIOUS.values(), ids=SERIOUS.keys())
def test_a_native_model_is_refused_naming_both_sides(environment: dict[str, Any], message: str) -> None:
    with pytest.raises(EnvironmentMismatch) as caught:
        check_environment(environment, "native")
    assert message in caught.value.message
    assert "publish it from the server's versions" in caught.value.message
    assert "build the function with the model's (modelserve package --for)." in caught.value.message


@pytest.mark.parametrize(("environment", "message"), SERIOUS.values(), ids=SERIOUS.keys())
def test_a_compiled_model_is_warned_about(environment: dict[str, Any], message: str) -> None:
    (warning,) = check_environment(environment, "compiled")
    assert message in warning


def test_everything_that_differs_is_named_together() -> None:
    with pytest.raises(EnvironmentMismatch, match=r"Python 3\.9.*scikit-learn 1\.5\.0"):
        check_environment(make_environment("3.9.1", scikit_learn="1.5.0"), "native")


def test_a_difference_that_does_not_matter_is_a_warning() -> None:
    major = version("numpy").split(".")[0]
    assert check_environment(make_environment(numpy=f"{major}.999.0"), "native") == [
        f"made with numpy {major}.999.0, this server has {version('numpy')}"
    ]


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"packages": None},
        make_environment(),
        make_environment(scikit_learn=SKLEARN),
        make_environment(pytest="1.0"),
        make_environment(numpy=version("numpy") + "+cpu"),
    ],
)
def test_what_agrees_or_does_not_unpickle_is_silent(environment: dict[str, Any]) -> None:
    assert [text for text in check_environment(environment, "native") if "+cpu" not in text] == []


def test_the_files_of_a_bare_directory_give_its_environment(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text(
        "mlflow==3.17.2\nScikit_Learn[alldeps]==1.9.1 ; python_version > '3'\nnumpy>=2\n# catboost==1\n-r other.txt\ntorch===2.1+cpu\n"
    )
    (tmp_path / "python_env.yaml").write_text("python: 3.11.7\nbuild_dependencies:\n- pip\n")
    assert environment_of(tmp_path, {}) == {
        "python": "3.11.7",
        "packages": {"mlflow": "3.17.2", "scikit-learn": "1.9.1", "torch": "2.1+cpu"},
    }


CONDA = """
channels:
- conda-forge
dependencies:
- python=3.6.10
- conda-forge::scikit-learn=0.22.1
- numpy=1.18
- pip
- pip:
  - mlflow
  - cloudpickle==1.3.0
  - 'lightgbm[dask]==3.1.1'
name: mlflow-env
"""


def test_a_directory_of_mlflow_1_says_the_same_in_its_conda_file_and_its_flavors(tmp_path: Path) -> None:
    flavors = {
        "python_function": {"env": "conda.yaml", "loader_module": "mlflow.sklearn", "python_version": "3.6.10"},
        "sklearn": {"pickled_model": "model.pkl", "sklearn_version": "0.22.1"},
    }
    assert environment_of(tmp_path, flavors) == {"python": "3.6.10", "packages": {"scikit-learn": "0.22.1"}}
    (tmp_path / "conda.yaml").write_text(CONDA)
    packages = {"scikit-learn": "0.22.1", "cloudpickle": "1.3.0", "lightgbm": "3.1.1"}
    assert environment_of(tmp_path, {}) == {"python": "3.6.10", "packages": packages}
    (tmp_path / "requirements.txt").write_text("scikit-learn==1.9.1\n")
    assert environment_of(tmp_path, flavors)["packages"] == packages | {"scikit-learn": "1.9.1"}


def test_python_is_no_package_where_both_files_name_it(tmp_path: Path) -> None:
    """As MLflow writes them; what python_env.yaml says has more digits."""
    (tmp_path / "conda.yaml").write_text("dependencies:\n- python=3.11\n- pip:\n  - scikit-learn==1.9.1\n")
    (tmp_path / "python_env.yaml").write_text("python: 3.11.7\n")
    assert environment_of(tmp_path, {}) == {"python": "3.11.7", "packages": {"scikit-learn": "1.9.1"}}


def test_without_those_files_nothing_is_known(tmp_path: Path) -> None:
    assert environment_of(tmp_path, {}) == {"packages": {}}


def test_a_package_may_be_installed_under_the_name_of_its_twin(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where only xgboost-cpu is installed: MLflow writes both names into requirements."""
    monkeypatch.setitem(TWINS, "no-such-package", "numpy")
    assert (find_installed("No_Such_Package"), find_installed("nor-this")) == (version("numpy"), None)
    assert TWINS["xgboost"] == "xgboost-cpu"
