"""Proof that a compiled model answers as the fitted one does."""
