"""Runs the command that trains: the user's own, in words, without a shell."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from modelserve.store.names.locations import MLMODEL
from modelserve_control.common import processes
from modelserve_control.common.errors import TrainingFailed
from modelserve_control.retrain.policy import DATA, MODEL

POLL_SECONDS: Final = 3_600.0


def train(words: Sequence[str], data: Path, model: Path, log: Path) -> None:
    """`model` is a new directory afterwards. What the command prints goes to `log`. Raises TrainingFailed."""
    command = [word.replace(DATA, str(data)).replace(MODEL, str(model)) for word in words]
    child = processes.start("the train command", command, log)
    try:
        while not child.wait(POLL_SECONDS):
            pass
    finally:
        processes.stop([child])
    called = shlex.join(words)
    if child.returncode:
        raise TrainingFailed(f"The train command `{called}` ended with status {child.returncode}. {child.tail()}")
    if not (model / MLMODEL).is_file():
        raise TrainingFailed(f"The train command `{called}` saved no MLflow model in {MODEL}. {child.tail()}")
