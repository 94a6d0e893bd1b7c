"""Import MLflow from this module, which sets its environment first, and spares its imports warnings and collections."""

import warnings

from modelserve.core.memory import collect_seldom
from modelserve_control.common.mlflow_settings import silence

collect_seldom()
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # deprecations in MLflow's own imports
    import mlflow

__all__ = ["mlflow", "silence"]
