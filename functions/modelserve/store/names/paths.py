"""Which file names a version may hold: only such as stay inside its directory on every file system.

Each rule stands for a published hole: `..` and absolute names (CVE-2023-1177), backslashes (CVE-2023-2780), names that
a second decoding turns into `..` (CVE-2024-1560), symlinks (kserve #5714).
"""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from collections.abc import Iterable, Iterator

from modelserve.core.errors import ArtifactCorrupt

MAX_PART_BYTES = 255  # NAME_MAX of Linux file systems
MAX_NAME_BYTES = 1024  # the longest object name in Cloud Storage

_ENCODED = re.compile(r"%(2e|2f|5c|00|25)", re.IGNORECASE)


def shown(name: str) -> str:
    """The name as a message may hold it: plain ASCII and short."""
    text = ascii(name)
    return text if len(text) <= 80 else text[:77] + "..."


def fault(name: str) -> str | None:
    """Why this relative name may not be used, or None."""
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return "is not Unicode"
    parts = name.split("/")
    if size > MAX_NAME_BYTES or any(len(part.encode()) > MAX_PART_BYTES for part in parts):
        return "is too long"
    if any(unicodedata.category(character) in {"Cc", "Cf", "Zl", "Zp"} for character in name):
        return "holds a control character"
    if "\\" in name:
        return "holds a backslash"
    if _ENCODED.search(name):
        return "is percent-encoded"
    if name.startswith("/"):
        return "is absolute"
    if "" in parts:
        return "has an empty part"
    if "." in parts or ".." in parts:
        return "leaves its directory"
    return None


def check_names(names: Iterable[str]) -> None:
    """Raise `ArtifactCorrupt` for the whole version when one name cannot be trusted or two cannot live side by side."""
    files: dict[str, str] = {}
    for name in names:
        if reason := fault(name):
            raise ArtifactCorrupt(f"The version holds the file name {shown(name)}, which {reason}; publish it again.")
        folded = _folded(name)
        if folded in files:
            raise _collision(files[folded], name)
        files[folded] = name
    spelled: dict[str, str] = {}
    for folded, name in files.items():
        for parent, spelling in zip(_parents(folded), _parents(name), strict=True):
            if parent in files or spelled.setdefault(parent, spelling) != spelling:
                raise _collision(files.get(parent, spelled.get(parent, spelling)), name)


def _collision(first: str, second: str) -> ArtifactCorrupt:
    return ArtifactCorrupt(
        f"The version holds {shown(first)} and {shown(second)}, which cannot live side by side on every file system."
    )


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _parents(name: str) -> Iterator[str]:
    parts = name.split("/")
    return ("/".join(parts[:end]) for end in range(1, len(parts)))


def walk(directory: str, prefix: str = "") -> Iterator[tuple[str, os.stat_result]]:
    """Every file below, as its name with slashes behind the prefix and its status, in order of name.

    A symlink, device or pipe raises `ArtifactCorrupt`: its bytes are not the version's own.
    """
    yield from sorted(_walk(directory, prefix), key=lambda found: found[0])


def no_plain_file(name: str) -> ArtifactCorrupt:
    return ArtifactCorrupt(
        f"{shown(name)} is a link or a device and no plain file, as all of a version or store must be; put one in its place."
    )


def _walk(directory: str, prefix: str) -> Iterator[tuple[str, os.stat_result]]:
    with os.scandir(directory) as entries:
        for entry in entries:
            name = prefix + entry.name
            status = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode):
                yield from _walk(entry.path, name + "/")
            elif stat.S_ISREG(status.st_mode):
                yield name, status
            else:
                raise no_plain_file(name)
