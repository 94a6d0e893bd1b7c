"""Google's own linter of commands, which needs no cloud."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest


def lint(commands: Iterable[str]) -> dict[str, str | None]:
    """By command, what the CLI does not understand. It takes a second to start, so ask it once for all."""
    gcloud = shutil.which("gcloud")
    if not gcloud:
        pytest.skip("the Google Cloud CLI is not installed, so its linter cannot be asked")
    asked = list(dict.fromkeys(commands))
    with TemporaryDirectory() as directory:
        file = Path(directory, "commands.json")
        file.write_text(json.dumps([{"command_string": one} for one in asked]))
        environ = os.environ | {"CLOUDSDK_CONFIG": directory, "CLOUDSDK_CORE_DISABLE_PROMPTS": "1"}
        command = [gcloud, "meta", "lint-gcloud-commands", f"--commands-file={file}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environ)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    return {call: None if one["success"] else one["error_message"] for call, one in zip(asked, found, strict=True)}
