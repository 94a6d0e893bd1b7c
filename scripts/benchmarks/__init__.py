"""Servers of one model measured side by side in one run: `scripts/bench`."""
