"""One virtual environment for each peer, created from its pinned requirements and reused until they change."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.model import CACHE, digest
from benchmarks.servers.table import PEERS
from modelserve.core.errors import ServeError

MAX_SECONDS = 900.0  # seconds for one installation
TAIL_LINES = 15  # lines of the installer's output in an error


class NotInstalled(ServeError):
    """The message contains the last lines of the installer."""

    code = "NOT_INSTALLED"


def python(peer: str | None) -> Path:
    """The interpreter of the peer's environment, which is created if necessary. Without a peer, this interpreter."""
    if peer is None:
        return Path(sys.executable)
    return make(CACHE / peer / "venv", PEERS / peer / "requirements.txt", bytecode=True)


def make(home: Path, requirements: Path, bytecode: bool = False) -> Path:
    """The interpreter of an environment in `home` with these requirements. `bytecode`: see `install`."""
    stamp = home / "stamp"
    wanted = digest(requirements)
    if not stamp.is_file() or stamp.read_text() != wanted:
        install(home, requirements, bytecode)
        stamp.write_text(wanted)
    return home / "bin" / "python"


def install(home: Path, requirements: Path, bytecode: bool = False) -> None:
    """With `bytecode` all is compiled, as an image build does; otherwise what is imported is, when it is imported first."""
    uv = Path(sys.executable).with_name("uv")
    run(uv, "venv", "--allow-existing", "--python", sys.executable, home)
    sync = ("pip", "sync", "--require-hashes", *(["--compile-bytecode"] if bytecode else []))
    run(uv, *sync, "--python", home / "bin" / "python", requirements)


def run(*command: str | Path) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=MAX_SECONDS)
    except subprocess.CalledProcessError as error:
        raise NotInstalled("The installation failed. " + "\n".join(error.stderr.splitlines()[-TAIL_LINES:])) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstalled(f"The installation failed ({type(error).__name__}).") from error
