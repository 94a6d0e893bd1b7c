"""MLflow, imported with its settings and without its warnings. Whoever needs MLflow imports it from here."""

from __future__ import annotations

import warnings

from modelserve_control.common.mlflow_settings import silent

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what MLflow's imports deprecate is not the reader's to mend
    import mlflow

__all__ = ["mlflow", "silent"]
