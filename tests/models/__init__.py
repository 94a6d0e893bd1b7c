"""Tiny models, each an MLflow directory: fitted on a few rows, the same every time."""
