"""What a process returns to the system of its memory, and what it keeps."""

import atexit
import ctypes
import gc
import sys
from functools import cache
from pathlib import Path
from typing import Final

MAPS: Final = Path("/proc/self/maps")
MADV_DONTNEED: Final = 4  # madvise(2)
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # mallopt(3)
TRIM_BYTES, MMAP_BYTES = 8 << 20, 4 << 20
CODE: Final = "r-xp"  # read-only and executable: the pages are the file's and can be read from it again
# Objects made and not freed between two collections. A request leaves no cycles, but many at once hold more objects than
# Python's 700: its collector would run in each turn of the event loop, which takes a seventh of a request's time.
GC_THRESHOLD: Final = 20_000


def drop_code_pages(library: str) -> int:
    """Drop the code pages of loaded libraries whose file name contains `library`; returns the bytes they span. Linux only.

    Creating its first session, ONNX Runtime reads most of its 20 MiB of code to register a thousand operators. A model
    uses a dozen of them, whose pages come back from the page cache.
    """
    if sys.platform != "linux":
        return 0
    dropped = 0
    madvise = ctypes.CDLL(None).madvise
    for line in MAPS.read_bytes().decode(errors="replace").split("\n")[:-1]:  # a file name may hold other line breaks
        place, mode, _, _, _, *name = line.split(maxsplit=5)
        if mode == CODE and name and library in Path(name[0]).name:
            start, end = (int(address, 16) for address in place.split("-"))
            if madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), MADV_DONTNEED) == 0:
                dropped += end - start
    return dropped


def trim_malloc() -> None:
    """Return freed memory to the system, after a version was loaded or freed. Takes milliseconds: not on the event loop."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)


def collect_seldom() -> None:
    """Also not while the interpreter ends. A process that imports MLflow and scikit-learn and then ends takes 3.4 s, of
    which 1.4 s are collections that find nothing."""
    gc.set_threshold(GC_THRESHOLD)
    atexit.register(gc.freeze)


@cache
def freeze_imports() -> None:
    """Collections need not look at modules. Once, before the first version: what is frozen is never collected."""
    gc.freeze()


def collect() -> None:
    """Free what a version left in cycles, such as the types of its decoder: the collector runs seldom while requests are
    served. Takes milliseconds: not on the event loop."""
    gc.collect()
    trim_malloc()


def tune_malloc(trim_bytes: int = TRIM_BYTES, mmap_bytes: int = MMAP_BYTES) -> None:
    """Keep up to `trim_bytes` of freed memory for the next requests, in blocks of up to `mmap_bytes`.

    By default glibc returns free memory beyond 128 KiB, so a body of 45 KB caused page faults at every few requests.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):  # glibc only
        libc.mallopt(M_MMAP_THRESHOLD, mmap_bytes)
        libc.mallopt(M_TRIM_THRESHOLD, trim_bytes)
