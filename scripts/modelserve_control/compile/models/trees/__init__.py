"""Trees, forests and boosting, of scikit-learn, LightGBM and XGBoost."""
