"""Verification that a compiled model gives the same answers as the fitted one."""
