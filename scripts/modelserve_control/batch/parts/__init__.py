"""Batches of many files: planned as parts, which any process can score, and whole only with `_SUCCESS`."""
