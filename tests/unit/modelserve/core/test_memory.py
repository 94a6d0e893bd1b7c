from __future__ import annotations

import ctypes
import mmap
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

from modelserve.core.memory import MAPS, drop_code_pages
from modelserve.models.compiled.runtime import load
from modelserve_control.compile import compile
from proving import signature_of

LIBRARY = "onnxruntime_pybind11_state"
# Bodies as a host keeps them, in a process of its own: options of the C library cannot be taken back.
BODIES = """
import resource, sys
from modelserve.core import memory
if sys.argv[1] == "keep": memory.tune_malloc()
def bodies():
    for _ in range(300): [bytearray(100_000) for _ in range(40)]
bodies()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
bodies()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""

# Each object has itself, so only a collection finds that nobody else has it.
CYCLES = """
from modelserve.core.memory import GC_THRESHOLD, collect_seldom
class Cycle:
    def __init__(self): self.own = self
    def __del__(self): print("collected")
collect_seldom()
for _ in range(GC_THRESHOLD // 4): Cycle()
print("end")
"""


def resident(library: str) -> int:
    """KiB of the library's code that are in memory."""
    entries = re.split(r"^(?=[0-9a-f]+-[0-9a-f]+ )", Path("/proc/self/smaps").read_text(), flags=re.MULTILINE)
    own = [entry for entry in entries if library in entry.partition("\n")[0] and " r-xp " in entry.partition("\n")[0]]
    return sum(int(found[1]) for entry in own if (found := re.search(r"^Rss: +(\d+) kB", entry, re.MULTILINE)))


@pytest.mark.skipif(not MAPS.exists(), reason="only Linux tells what a process has in memory")
def test_code_is_given_back_and_answers_stay_the_same() -> None:
    table = pd.DataFrame({"a": [1.0, 2.0, 4.0], "b": [0.5, 0.0, 1.0]})
    compiled = compile(Ridge().fit(table, [1.0, 2.0, 3.0]), signature_of(table))
    runtime = load(compiled.packed_model, compiled.metadata())
    feeds = {"numbers": np.ones((2, 2))}
    before = runtime.run(("predict",), feeds)[0].tolist()
    loaded = resident(LIBRARY)
    assert drop_code_pages(LIBRARY) > 1 << 20
    assert resident(LIBRARY) < loaded
    assert runtime.run(("predict",), feeds)[0].tolist() == before


def test_a_library_that_is_not_loaded_has_nothing_to_give() -> None:
    assert drop_code_pages("no such library") == 0


@pytest.mark.parametrize("name", [b"\xff", "\u2028".encode(), b"\x0c", b"\r", b"\n"])
def test_a_mapped_file_may_have_any_name(tmp_path: Path, name: bytes) -> None:
    path = os.fsencode(tmp_path) + b"/before" + name + b"after"
    with open(path, "wb+") as file:
        file.write(b"x" * mmap.PAGESIZE)
        file.flush()
        with mmap.mmap(file.fileno(), 0):
            assert drop_code_pages("no such library") == 0


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="only glibc says what it keeps")
def test_what_a_request_frees_is_there_for_the_next() -> None:
    def faults(how: str) -> int:
        command = [sys.executable, "-c", BODIES, how]
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    assert faults("keep") * 10 < faults("as it is")


def test_the_collector_runs_seldom_and_not_at_the_end() -> None:
    done = subprocess.run([sys.executable, "-c", CYCLES], capture_output=True, text=True, check=True)
    assert done.stdout == "end\n"
