"""The contract holds for both runtimes: every test here runs over native versions and over their compiled twins."""

from __future__ import annotations

from contract.twins import functions

__all__ = ["functions"]
