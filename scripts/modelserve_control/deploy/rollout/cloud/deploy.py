"""The command that makes the new revisions."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

from modelserve_control.deploy.rollout.errors import Doubt


def ran(words: Sequence[str]) -> int:
    """Its exit status. What it writes goes to stderr, because stdout holds only the result. Raises Doubt."""
    try:
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=sys.stderr)
    except OSError as error:
        raise Doubt(f"The deploy command does not start: {error.strerror}.") from error
    try:
        return process.wait()
    except BaseException:
        process.terminate()  # Terraform then ends in good order, and gives its lock back
        process.wait()
        raise
