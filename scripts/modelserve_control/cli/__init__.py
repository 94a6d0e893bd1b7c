"""The `modelserve` command."""
