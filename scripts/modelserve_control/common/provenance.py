"""Who made something, when, and from which commit."""

import getpass
import os
import socket
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any


def author() -> str:
    """The account that gcloud uses, else user@host."""
    account = os.environ.get("CLOUDSDK_CORE_ACCOUNT")
    if account:
        return account
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def now() -> str:
    """RFC 3339 in UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def commit() -> str | None:
    """The commit of the checkout in the current directory, with a plus when files differ from it."""
    try:
        head = git("rev-parse", "HEAD")
        return head + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def git(*words: str) -> str:
    done = subprocess.run(["git", *words], capture_output=True, text=True, timeout=10, check=True)
    return done.stdout.strip()


def provenance(uri: str, mlmodel: Mapping[str, Any]) -> dict[str, Any]:
    found = {
        "source": uri,
        "run_id": mlmodel.get("run_id"),
        "model_id": mlmodel.get("model_id"),
        "mlflow_version": mlmodel.get("mlflow_version"),
        "trained_at": mlmodel.get("utc_time_created"),
        "git_commit": commit(),
        "published_by": author(),
        "published_at": now(),
        "tool": f"modelserve {version('modelserve-kit')}",
    }
    return {key: str(value) for key, value in found.items() if value is not None}
