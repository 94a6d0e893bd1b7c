"""What a model may have installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from index_options import INDEX, MORE
from modelserve_control.publish.environments import BuildFailed, Packages, check_minimums, packages_of, pins_of

MLMODEL = """
flavors:
  python_function: {loader_module: mlflow.sklearn, python_version: 3.12.1}
  sklearn: {pickled_model: model.skops, serialization_format: skops, sklearn_version: 1.5.2}
"""
REQUIREMENTS = (
    "mlflow==3.17.2\nnumpy==1.26.4\nscikit_learn==1.5.2\nmy-own==1.0 --hash=sha256:00\nsci-kit==9; a\nlatest\n"
)


@pytest.mark.parametrize(
    ("trust", "pins"),
    [
        ("strict", ("numpy==1.26.4", "scikit-learn==1.5.2")),
        ("pickle", ("my-own==1.0", "numpy==1.26.4", "sci-kit==9", "scikit-learn==1.5.2")),
    ],
)
def test_a_model_decides_the_versions_of_known_packages_and_names_others_only_when_it_is_trusted(
    trust: str, pins: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "MLmodel").write_text(MLMODEL)
    (tmp_path / "requirements.txt").write_text(REQUIREMENTS)
    found = packages_of(tmp_path, trust)
    assert found.pins == pins
    assert found.python == "3.12"
    assert "mlflow-skinny>=3.15" in found.own
    assert not [line for line in found.own if "gunicorn" in line or ";" in line]


EVIL = "http://evil"
HOSTILE = (
    "--find-links .",
    f"{INDEX} {EVIL}",
    f"{MORE}={EVIL}",
    "-i http://evil",
    "-e git+https://evil/package",
    "-r other.txt",
    "-c constraints.txt",
    "package @ file:///wheels/package",
    "package@http://evil/package.whl",
    "git+https://evil/package",
    "http://evil/package.whl",
    "./package",
    "../package.whl",
    "package==1.0 \\",
    f"package==1.0 {INDEX} {EVIL}",
    "package==1.0 --hash=sha256:00 \\",
    "package==http://evil",
)


@pytest.mark.parametrize("trust", ["strict", "pickle"])
@pytest.mark.parametrize("line", HOSTILE)
def test_a_line_that_is_no_version_of_a_package_is_refused_by_name(line: str, trust: str, tmp_path: Path) -> None:
    (tmp_path / "MLmodel").write_text(MLMODEL)
    (tmp_path / "requirements.txt").write_text(f"numpy==1.26.4\n{line}\n")
    with pytest.raises(BuildFailed, match=r"requirements\.txt has the line") as refused:
        packages_of(tmp_path, trust)
    assert repr(line) in str(refused.value)
    (tmp_path / "requirements.txt").unlink()
    conda = f"channels:\n- https://conda.example.com\ndependencies:\n- python=3.11\n- pip:\n  - numpy\n  - '{line}'\nname: env\n"
    (tmp_path / "conda.yaml").write_text(conda)
    with pytest.raises(BuildFailed, match=r"conda\.yaml has the line") as refused:
        packages_of(tmp_path, trust)
    assert repr(line) in str(refused.value)


@pytest.mark.parametrize(
    "pip",
    [
        "- pip: [http://evil]",
        "- pip: # of pip\n  - http://evil",
        '- "pip":\n  - http://evil',
        "- pip :\n  - http://evil",
        "- {pip: [http://evil]}",
        "-\n  pip:\n  - http://evil",
        "- pip:\n  -\n    http://evil",
        "- pip:\n  - numpy\n    @ http://evil",
        "- pip:\n  - numpy: http://evil",
        "- pip: http://evil",
        "- {pip: {numpy: http://evil}}",
        "- pip: &a [http://evil]",
        "- pip: [",
    ],
)
def test_a_list_for_pip_is_read_in_each_form_of_yaml(pip: str, tmp_path: Path) -> None:
    (tmp_path / "MLmodel").write_text(MLMODEL)
    (tmp_path / "conda.yaml").write_text(f"dependencies:\n- python=3.11\n{pip}\n")
    with pytest.raises(BuildFailed, match=r"The model's conda\.yaml"):
        packages_of(tmp_path, "strict")


@pytest.mark.timeout(10)
def test_a_hostile_line_takes_no_time(tmp_path: Path) -> None:
    (tmp_path / "MLmodel").write_text(MLMODEL)
    spaces, marks, limits = f"a{' ' * 900_000}@", f"a=={'!' * 900_000}@", f"a=={'1,==' * 200_000}@"
    for line in (spaces, marks, limits, f"a[{'[' * 900_000}", f"a==1 {'--hash=a' * 100_000}\\"):
        (tmp_path / "requirements.txt").write_text(line)
        with pytest.raises(BuildFailed):
            packages_of(tmp_path, "strict")


def test_what_pip_reads_as_packages_and_their_versions_is_not_refused(tmp_path: Path) -> None:
    (tmp_path / "MLmodel").write_text(MLMODEL)
    lines = [
        "# made by hand",
        "",
        "  numpy == 1.26.4  # pinned",
        "pandas>=2, <3",
        "scikit-learn[alldeps]==1.5.2; python_version > '3.8'",
        "scipy~=1.14",
        "torch===2.1+cpu",
        "xgboost!=2.*",
        "mlflow",
        "my-own==0.11 --hash=sha256:00 --hash=sha256:01 # both",
    ]
    (tmp_path / "requirements.txt").write_text("\r\n".join(lines))
    pip = "".join(f"  - {line}\n" for line in lines[3:])
    (tmp_path / "conda.yaml").write_text(f"dependencies:\n- python=3.11.4\n- pip<=24.0\n- pip:\n{pip}name: env\n")
    assert packages_of(tmp_path, "strict").pins == ("numpy==1.26.4", "scikit-learn==1.5.2", "torch==2.1+cpu")


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("numpy", "*"),
        ("numpy", f"1.0\n{INDEX} {EVIL}"),
        ("numpy", "1.0 @ file:///wheels/numpy"),
        ("numpy", f"1.0 {INDEX}={EVIL}"),
        ("numpy", "1.0 \\"),
        ("numpy", "file:///wheels/numpy"),
        ("numpy", ""),
        ("numpy", None),
        (f"{INDEX}={EVIL}#", "1.0"),
        ("-e git+https://evil/package", "1.0"),
        ("a\n-e .\nb", "1.0"),
        ("mlflow @ http://evil", "3.0"),
    ],
)
def test_a_pin_is_a_name_and_a_version(name: str, version: object) -> None:
    with pytest.raises(BuildFailed, match="which is no version of a package"):
        pins_of({"scipy": "1.0", name: version}, {"mlflow"})


def test_packages_of_the_kit_are_left_out_under_any_spelling() -> None:
    assert pins_of({"MLflow": "3.0", "torch": "2.1+cpu", "a": "1!2.0rc1"}, {"mlflow"}) == (
        "torch==2.1+cpu",
        "a==1!2.0rc1",
    )


@pytest.mark.parametrize("python", ["/tmp/python", "../bin/python3", "3.11/../python", "--system", "cpython"])
def test_a_python_is_a_version(python: str, tmp_path: Path) -> None:
    """uv would start a path to find out."""
    (tmp_path / "MLmodel").write_text(MLMODEL.replace("3.12.1", python))
    with pytest.raises(BuildFailed, match="no version such as"):
        packages_of(tmp_path, "strict")


def test_a_version_in_the_flavors_is_a_version(tmp_path: Path) -> None:
    (tmp_path / "MLmodel").write_text(MLMODEL.replace("1.5.2", "1.5.2 @ file:///wheels/package"))
    with pytest.raises(BuildFailed, match=r"scikit-learn==1\.5\.2 @ file"):
        packages_of(tmp_path, "strict")


@pytest.mark.parametrize(
    ("pin", "too_old"),
    [
        ("scikit-learn==1.3.2", True),
        ("scikit_learn==1.3", True),
        ("scikit-learn==1.4", False),
        ("scikit-learn==1.10.0rc1", False),
        ("pyarrow==14.0.0", False),
        ("other==0.1", False),
    ],
)
def test_a_package_is_as_new_as_the_kit_asks_for(pin: str, too_old: bool) -> None:
    packages = Packages("3.11", (pin,), ("scikit-learn>=1.4", "pyarrow<26", "skops[a]>=0.14,<1"))
    if not too_old:
        check_minimums(packages)
        return
    with pytest.raises(BuildFailed, match=r"this kit reads models of scikit.learn 1\.4 or later"):
        check_minimums(packages)
