"""Transformers, one module for each family."""
