"""What a model may have installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelserve_control.publish.environments import packages_of

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
