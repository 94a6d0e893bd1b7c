"""A version as a local directory: whole and verified, or not at all."""
