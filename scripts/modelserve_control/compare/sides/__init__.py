"""The two sides of a comparison: each a model in its own process, or a service."""
