"""Which versions may be loaded, and whether they fit this environment."""
