"""Fixtures that several rooms share, and the bounds of every test: its time stands in pyproject.toml, its memory here."""

import resource
import signal
from typing import Final

from models.fixtures import models
from modelserve.core.memory import collect_seldom
from serving import functions
from stores import command, gcs, objects

__all__ = ["command", "functions", "gcs", "models", "objects"]

collect_seldom()

# A suite that was started in the background ignores Ctrl-C, and so would whatever it starts, whose Ctrl-C is tested.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Bytes that this process may write to, and each that it starts: what asks for more gets a MemoryError, and the machine
# stays as it is. Not of addresses (RLIMIT_AS), of which browsers and programs in Go reserve far more than they use.
MEMORY: Final = 4 << 30
resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, resource.getrlimit(resource.RLIMIT_DATA)[1]))
