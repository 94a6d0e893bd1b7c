"""Trees, forests and boosting from scikit-learn, LightGBM and XGBoost."""
