"""The source archive of the functions: the same files give the same bytes on any machine.

An archive holds main.py, the package modelserve and one requirements.txt, nothing else: no commit, no time, no mode and no
owner of the machine that made it. Nothing is compressed, since versions of zlib differ in
what they write.
"""

import hashlib
import io
import os
import re
import stat
import subprocess
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Final
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from modelserve.core.errors import NotFound
from modelserve_control.common.errors import NotPackaged
from modelserve_control.common.processes import checkout
from modelserve_control.common.progress import Progress
from modelserve_control.common.provenance import git

REQUIREMENTS: Final[Mapping[str, str]] = {"compiled": "requirements-compiled.txt", "native": "requirements.txt"}
ENTRY, REQUIRED = "main.py", "requirements.txt"
# Hidden files, caches, and files that editors and merges leave.
IGNORED: Final = (
    ".*",
    "__pycache__",
    "*.py[co]",
    "*.egg-info",
    "*~",
    "#*#",
    "*.sw[op]",
    "*.bak",
    "*.orig",
    "*.rej",
)
EPOCH: Final = (1980, 1, 1, 0, 0, 0)  # the first time that a zip can hold
MODE: Final = stat.S_IFREG | 0o644
UNIX: Final = 3  # the system of the archive: without it readers ignore the mode


def package(
    runtime: str, out: Path, progress: Progress, root: Path | None = None, requirements: bytes | None = None
) -> dict[str, Any]:
    """Writes `modelserve-<16 hex digits of its SHA-256>.zip` into the directory `out`; `size` is in bytes.

    `root` is the checkout, and `requirements` stand in for those of `runtime`. Raises NotFound, NotPackaged or NoCheckout.
    """
    root = root or checkout()
    if not out.is_dir():
        raise NotFound(f"--out {out} is not a directory; make it first.")
    try:
        python = python_version(root)
        sources = select_files(root / "functions", runtime)
        contents = {name: path.read_bytes() for name, path in sources.items()}
        data = archive(contents if requirements is None else contents | {REQUIRED: requirements})
        commit, changed = git_state(root)
        if changed:
            files = "1 file" if changed == 1 else f"{changed:,} files"
            progress.say(f"warning: {files} of functions/ are not as in the commit, and are packaged as they are")
        sha256 = hashlib.sha256(data).hexdigest()
        path = out / f"modelserve-{sha256[:16]}.zip"
        write(path, data)
    except OSError as error:
        raise NotPackaged(f"The archive cannot be made: {error.strerror}; see to {error.filename or out}.") from error
    result = {"path": str(path), "sha256": sha256, "size": len(data), "runtime": runtime}
    return result | {"python": python, "files": len(sources), "commit": commit, "changed": changed}


def python_version(root: Path) -> str:
    path = root / ".python-version"
    found = path.read_text().strip() if path.is_file() else ""
    if not re.fullmatch(r"3\.\d+", found):
        raise NotPackaged(
            ".python-version does not name a Python such as 3.11, from which Terraform takes the runtime."
        )
    return found


def select_files(directory: Path, runtime: str) -> dict[str, Path]:
    requirements = REQUIREMENTS[runtime]
    found = {name: path for name, path in walk(directory) if not fnmatchcase(name, "requirements*")}
    if (directory / requirements).is_file():
        found[REQUIRED] = directory / requirements
    for name, needed in ((ENTRY, ENTRY), (REQUIRED, requirements)):
        if name not in found:
            raise NotPackaged(f"functions/ has no {needed}, without which Cloud Functions cannot build; restore it.")
    return dict(sorted(found.items()))


def walk(directory: Path, prefix: str = "") -> Iterator[tuple[str, Path]]:
    with os.scandir(directory) as entries:
        for entry in entries:
            if any(fnmatchcase(entry.name, pattern) for pattern in IGNORED):
                continue
            name = prefix + entry.name
            mode = entry.stat(follow_symlinks=False).st_mode
            if stat.S_ISDIR(mode):
                yield from walk(Path(entry.path), f"{name}/")
            elif stat.S_ISREG(mode):
                yield name, Path(entry.path)
            else:
                raise NotPackaged(f"functions/{name} is a link or a device; put a plain file in its place.")


def archive(contents: Mapping[str, bytes]) -> bytes:
    data = io.BytesIO()
    with ZipFile(data, "w") as made:
        for name, content in sorted(contents.items()):
            info = ZipInfo(name, EPOCH)
            info.create_system, info.external_attr, info.compress_type = UNIX, MODE << 16, ZIP_STORED
            made.writestr(info, content)
    return data.getvalue()


def write(path: Path, data: bytes) -> None:
    with NamedTemporaryFile(dir=path.parent, prefix=".modelserve-", delete=False) as file:
        try:
            file.write(data)
            file.flush()
            os.chmod(file.name, 0o644)
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise


def git_state(root: Path) -> tuple[str | None, int | None]:
    """The commit, and how many files of functions/ differ from it; None and None outside a checkout."""
    try:
        commit = git("-C", str(root), "rev-parse", "HEAD")
        listed = git("-C", str(root), "status", "--porcelain", "--untracked-files=all", "--", "functions")
    except (OSError, subprocess.SubprocessError):
        return None, None
    return commit, len(listed.splitlines())
