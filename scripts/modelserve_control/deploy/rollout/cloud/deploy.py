"""The command that deploys the new revisions."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

from modelserve_control.deploy.rollout.errors import CandidateRejected


def run_deploy(command: Sequence[str]) -> int:
    """Returns the exit status. Its output goes to stderr. Raises CandidateRejected when the command does not start."""
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr)
    except OSError as error:
        raise CandidateRejected(f"The deploy command does not start: {error.strerror}.") from error
    try:
        return process.wait()
    except BaseException:
        process.terminate()  # Terraform then ends cleanly and releases its lock
        process.wait()
        raise
