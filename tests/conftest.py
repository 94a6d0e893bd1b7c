"""Fixtures that several rooms share."""

from models.fixtures import models
from serving import functions
from stores import command, gcs, objects

__all__ = ["command", "functions", "gcs", "models", "objects"]
