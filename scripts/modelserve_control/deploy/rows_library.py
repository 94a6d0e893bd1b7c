"""The library of `functions/modelserve/models/compiled/rows.c`, which reads records for compiled models.

The compiler is pinned with the other requirements, so the same source gives the same bytes on every machine.
`python -m modelserve_control.deploy.rows_library` makes it for this machine, beside its source; `scripts/setup` runs that.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from modelserve.models.compiled.rows_plan import digest
from modelserve_control.common.processes import SOURCES, module

LIBRARY: Final = "modelserve/models/compiled/rows.binary"
"""Its name in functions/."""
# Cloud Functions and Cloud Run are x86-64. glibc 2.28 is of 2018, so that any image of Python 3.11 has it.
CLOUD: Final = "x86_64-linux-gnu.2.28"
CACHE: Final = SOURCES / ".cache/zig"
FLAGS: Final = ("-std=c11", "-O3", "-g0", "-s", "-shared", "-fPIC", "-Wall", "-Wextra", "-Wconversion", "-Werror")


def make(functions: Path, target: str | None = CLOUD, flags: tuple[str, ...] = FLAGS) -> bytes:
    """The library from the source in `functions`; without a target for this machine. Raises CalledProcessError, whose
    `stderr` is the compiler's."""
    with TemporaryDirectory() as directory:
        out = Path(directory, "rows.binary")
        command = module("ziglang", "cc", *flags, *(("-target", target) if target else ()), "-o", str(out))
        environ = {"ZIG_GLOBAL_CACHE_DIR": str(CACHE), "ZIG_LOCAL_CACHE_DIR": str(CACHE / "local")}
        source = functions / "modelserve/models/compiled/rows.c"
        made_from = (digest(source.parent) or b"").decode()
        subprocess.run(
            [*command, f'-DMADE_FROM="{made_from}"', str(source)],
            check=True,
            capture_output=True,
            text=True,
            env=os.environ | environ,
        )
        return out.read_bytes()


def main() -> None:
    cloud = (platform.system(), platform.machine()) == ("Linux", "x86_64")
    functions = SOURCES / "functions"
    try:
        data = make(functions, CLOUD if cloud else None)
    except subprocess.CalledProcessError as error:
        sys.exit(f"setup: rows.c does not compile, so records are read the general way:\n{error.stderr}")
    path = functions / LIBRARY
    beside = path.with_suffix(".new")
    beside.write_bytes(data)
    beside.replace(path)  # a server that runs keeps the old one


if __name__ == "__main__":
    main()
