"""Measure servers of the same model side by side in one run: `scripts/bench`."""
