"""Versions that ONNX Runtime scores."""
