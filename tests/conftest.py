"""Fixtures that several rooms share."""

import signal

from models.fixtures import models
from serving import functions
from stores import command, gcs, objects

__all__ = ["command", "functions", "gcs", "models", "objects"]

# A suite that was started in the background ignores Ctrl-C, and so would whatever it starts, whose Ctrl-C is tested.
signal.signal(signal.SIGINT, signal.default_int_handler)
