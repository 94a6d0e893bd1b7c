"""A challenger that answers beside the served version."""
