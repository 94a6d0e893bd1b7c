"""Pub/Sub messages: pushed to the function or pulled by the worker, and their predictions."""
