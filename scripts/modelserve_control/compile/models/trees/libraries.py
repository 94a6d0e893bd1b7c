"""xgboost and lightgbm, when they are installed: their trees read from their own dumps."""

from __future__ import annotations

from importlib.util import find_spec

if find_spec("xgboost"):
    from modelserve_control.compile.models.trees import xgb as xgb
if find_spec("lightgbm"):
    from modelserve_control.compile.models.trees import lgbm as lgbm
