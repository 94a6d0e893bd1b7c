"""Predictors, one module for each family."""
