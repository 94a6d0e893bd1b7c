"""What of its memory a process gives back to the system, and what it keeps."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path
from typing import Final

MAPS: Final = Path("/proc/self/maps")
DONTNEED: Final = 4  # madvise(2)
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # mallopt(3)
KEPT, LARGEST_KEPT = 8 << 20, 4 << 20
CODE: Final = "r-xp"  # read and run, never written: such pages hold what the file holds, and nothing else does


def give_back_code(library: str) -> int:
    """Drop the pages of code of the loaded libraries of which `library` is a part of the name; bytes they span.

    ONNX Runtime registers a thousand operators when its first session is made, which touches most of its 20 MiB; a model
    then uses a dozen of them. What is used again comes back from the file's cache, a page at a time. Only on Linux.
    """
    if sys.platform != "linux":
        return 0
    given = 0
    advise = ctypes.CDLL(None).madvise
    for line in MAPS.read_bytes().decode(errors="replace").split("\n")[:-1]:  # a name may hold any byte but that one
        place, mode, _, _, _, *name = line.split(maxsplit=5)
        if mode == CODE and name and library in Path(name[0]).name:
            start, end = (int(address, 16) for address in place.split("-"))
            if advise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), DONTNEED) == 0:
                given += end - start
    return given


def give_back_freed() -> None:
    """What loading a version took, or the version itself, once it is free. Milliseconds; not for the event loop."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)


def keep_freed() -> None:
    """Keep up to 8 MiB of what is freed for the next request, and blocks of up to 4 MiB among it.

    glibc gives back what is freed at the end of its heap beyond 128 KiB. The host copies a body of 45 KB three times, so
    with every few requests that much was given back and taken again, a page fault for every 4 KiB of it.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):  # other C libraries have no such options
        libc.mallopt(MMAP_THRESHOLD, LARGEST_KEPT)
        libc.mallopt(TRIM_THRESHOLD, KEPT)
