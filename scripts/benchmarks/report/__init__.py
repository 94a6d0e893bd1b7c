"""Figures, targets, and the page."""
