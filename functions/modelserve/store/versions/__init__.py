"""Which version is meant, and what its manifest says."""
