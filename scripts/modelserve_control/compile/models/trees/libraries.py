"""XGBoost and LightGBM, if they are installed."""

from __future__ import annotations

from importlib.util import find_spec

if find_spec("xgboost"):
    from modelserve_control.compile.models.trees import xgb as xgb
if find_spec("lightgbm"):
    from modelserve_control.compile.models.trees import lgbm as lgbm
