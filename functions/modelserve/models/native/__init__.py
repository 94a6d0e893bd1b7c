"""Versions that MLflow loads and their own libraries score."""
