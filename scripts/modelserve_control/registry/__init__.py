"""Models, versions and aliases in the store."""
