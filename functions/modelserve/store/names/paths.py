"""Which file names a version may contain: only those that stay inside its directory on every file system.

Published vulnerabilities: `..` and absolute names (CVE-2023-1177), backslashes (CVE-2023-2780), names that a second
decoding turns into `..` (CVE-2024-1560), symlinks (kserve #5714).
"""

import os
import re
import stat
from collections.abc import Iterable, Iterator
from unicodedata import category, normalize

from modelserve.core.errors import ArtifactCorrupt

MAX_PART_BYTES = 255  # NAME_MAX of Linux file systems
MAX_NAME_BYTES = 1024  # the longest object name in Cloud Storage

_ENCODED = re.compile(r"%(2e|2f|5c|00|25)", re.IGNORECASE)


def printable(name: str) -> str:
    """The name for a message: ASCII, and at most 80 characters."""
    text = ascii(name)
    return text if len(text) <= 80 else text[:77] + "..."


def invalid_reason(name: str) -> str | None:
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return "is not Unicode"
    parts = name.split("/")
    if size > MAX_NAME_BYTES or any(len(part.encode()) > MAX_PART_BYTES for part in parts):
        return "is too long"
    if any(category(character) in {"Cc", "Cf", "Zl", "Zp"} for character in name):
        return "contains a control character"
    if "\\" in name:
        return "contains a backslash"
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
    """Raise `ArtifactCorrupt` if one name is invalid, or if two cannot exist in one directory on every file system."""
    files: dict[str, str] = {}
    for name in names:
        if reason := invalid_reason(name):
            raise ArtifactCorrupt(
                f"The version contains the file name {printable(name)}, which {reason}; publish it again."
            )
        folded = normalize("NFC", normalize("NFC", name).casefold())
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
        f"The version contains {printable(first)} and {printable(second)}, which cannot exist together on every file system."
    )


def _parents(name: str) -> Iterator[str]:
    parts = name.split("/")
    return ("/".join(parts[:end]) for end in range(1, len(parts)))


def walk(directory: str, prefix: str = "") -> Iterator[tuple[str, os.stat_result]]:
    """Every file below, by name: its path with slashes after the prefix, and its status. Raises `ArtifactCorrupt` for a
    symlink, device or pipe, whose bytes do not belong to the version."""
    yield from sorted(_walk(directory, prefix), key=lambda found: found[0])


def not_a_regular_file(name: str) -> ArtifactCorrupt:
    return ArtifactCorrupt(
        f"{printable(name)} is a link or a device; a version or store contains regular files only, so replace it with one."
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
                raise not_a_regular_file(name)
