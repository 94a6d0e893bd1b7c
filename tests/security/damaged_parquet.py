"""Parquet files damaged at random through a real server: `python tests/security/damaged_parquet.py 50000 [SEED]`.

Prints how many got which answer, how often the decoder ended, and how long it took; exits with 1 unless each got one of 200,
400 and 413, and the server that began is the server that ends.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / folder) for folder in ("functions", "scripts", "tests")]

import psutil  # noqa: E402 - found on the path that is set above

from security.hostile_parquet import damaged  # noqa: E402 - found on the path that is set above
from serving import Served  # noqa: E402 - found on the path that is set above

PARQUET = {"content-type": "application/vnd.apache.parquet"}
RIGHT = {200, 400, 413}


def family(served: Served) -> tuple[set[int], list[psutil.Process]]:
    """The ids of the server's processes, and its decoders."""
    root = psutil.Process(served.child.pid)
    everybody = [root, *root.children(recursive=True)]
    decoders = [process for process in everybody if "modelserve.http.decoder.process" in " ".join(process.cmdline())]
    return {process.pid for process in everybody if process not in decoders}, decoders


def answers(served: Served, seed: int, count: int) -> Counter[int]:
    """How many of the files got which status; 0 is no answer."""
    found: Counter[int] = Counter()
    for place, data in enumerate(damaged(seed, count)):
        status = served.client.post("/predict", content=data, headers=PARQUET).status_code
        found[status] += 1
        if status not in RIGHT:
            print(f"file {place} of seed {seed}: {status}", file=sys.stderr)
    return found


def main(count: int, seed: int) -> int:
    from models.library import Library
    from serving import Functions

    with TemporaryDirectory() as scratch:
        directory = Path(scratch)
        (directory / "models").mkdir()
        functions = Functions(Library(directory / "models"), directory, cold=True)
        try:
            served = functions("churn")
            before, _ = family(served)
            began = time.monotonic()
            found = answers(served, seed, count)
            seconds = time.monotonic() - began
            ends = served.child.log.read_text().count("the decoder ended")
            alive = family(served)[0] == before
        finally:
            functions.close()
    print(
        f"seed {seed}: {dict(sorted(found.items()))}, the decoder ended {ends} times, {seconds:.0f} s, server alive: {alive}"
    )
    return 0 if alive and set(found) <= RIGHT else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1))
