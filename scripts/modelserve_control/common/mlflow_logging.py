"""Import MLflow from this module, which sets its environment first and hides the warnings of its imports."""

import warnings

from modelserve_control.common.mlflow_settings import silence

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # deprecations in MLflow's own imports
    import mlflow

__all__ = ["mlflow", "silence"]
