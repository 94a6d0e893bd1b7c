"""A virtual environment per peer, made from its pinned requirements, and reused until they change."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.model import CACHE, digest
from benchmarks.servers import PEERS
from modelserve.core.errors import ServeError

LIMIT = 900.0  # seconds for one installation
TAIL = 15  # lines of the installer's output in an error


class NotInstalled(ServeError):
    """The message holds the installer's last lines."""

    code = "NOT_INSTALLED"


def python(peer: str | None) -> Path:
    """The interpreter of a peer's environment, which is made when it is missing; of None, this one's."""
    if peer is None:
        return Path(sys.executable)
    home = CACHE / peer / "venv"
    requirements = PEERS / peer / "requirements.txt"
    stamp = home / "stamp"
    wanted = digest(requirements)
    if not stamp.is_file() or stamp.read_text() != wanted:
        install(home, requirements)
        stamp.write_text(wanted)
    return home / "bin" / "python"


def install(home: Path, requirements: Path) -> None:
    """With bytecode, as in an image: otherwise the first start would pay for compiling it."""
    uv = Path(sys.executable).with_name("uv")
    run(uv, "venv", "--allow-existing", "--python", sys.executable, home)
    sync = ("pip", "sync", "--require-hashes", "--compile-bytecode")
    run(uv, *sync, "--python", home / "bin" / "python", requirements)


def run(*command: str | Path) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=LIMIT)
    except subprocess.CalledProcessError as error:
        raise NotInstalled("It was not installed. " + "\n".join(error.stderr.splitlines()[-TAIL:])) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstalled(f"It was not installed ({type(error).__name__}).") from error
