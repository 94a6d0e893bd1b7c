"""Saves the two models. It runs in its own process, so that the load does not import MLflow: `python -m soaking.models DIR`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

NAME: Final = "soak"
FACTORS: Final = {"1": 1.0, "2": 2.0}
"""Each version predicts its factor times x, so that a prediction identifies the version."""
COMPILE_OPTIONS: Final = {"1": "require", "2": "never"}
"""The value of `modelserve publish --compile`: the alias moves between a compiled version and a native one."""
TOLERANCE: Final = 1e-9


def expected_predictions(version: str, xs: list[float]) -> list[float]:
    return [FACTORS[version] * x for x in xs]


def save(directory: Path) -> None:
    import mlflow
    import pandas as pd
    from mlflow.models import infer_signature
    from sklearn.linear_model import LinearRegression

    from modelserve_control.local import tracking

    rows = pd.DataFrame({"x": [float(x) for x in range(50)]})
    for version, factor in FACTORS.items():
        model = LinearRegression(fit_intercept=False).fit(rows, factor * rows["x"])
        signature = infer_signature(rows, model.predict(rows))
        mlflow.sklearn.save_model(
            model,
            directory / version,
            signature=signature,
            input_example=rows,
            serialization_format="skops",
            pip_requirements=tracking.requirements(),
        )


if __name__ == "__main__":
    save(Path(sys.argv[1]))
