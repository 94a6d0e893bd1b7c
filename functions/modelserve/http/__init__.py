"""The HTTP function."""
