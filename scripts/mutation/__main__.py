"""`scripts/guards [NAME...]`: remove each guard in turn, and run the tests that are nearest to it.

First all of these tests must pass as the code stands. Then one line a guard: which test noticed, and in how many
seconds, or that none did. Two guards are tried at a time, each in a copy of its own. Exits with 1 when one is not noticed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from typing import Final

from mutation.copies import Copy, Outcome, copy_checkout
from mutation.guard import Guard, ListError, load_guards, select

CHECKOUT: Final = Path(__file__).resolve().parents[2]
AT_ONCE: Final = 2
GUARD_SECONDS: Final = 240  # of the tests of one guard
GREEN_SECONDS: Final = 1_200  # of all of them, before


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        "scripts/guards", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these guards")
    parser.add_argument("--list", action="store_true", help="print each guard with its file, and run nothing")
    options = parser.parse_args(arguments)
    try:
        guards = select(load_guards(), options.names)
        for guard in guards:
            guard.remove((CHECKOUT / guard.file).read_text())
    except ListError as error:
        sys.exit(f"guards: {error}")
    if options.list:
        for guard in guards:
            print(f"{guard.name}: {guard.file}")
        return 0
    with TemporaryDirectory(prefix="guards-") as scratch:
        return run(guards, [copy_checkout(CHECKOUT, Path(scratch, str(place))) for place in range(AT_ONCE)])


def run(guards: Sequence[Guard], copies: Sequence[Copy]) -> int:
    started = time.monotonic()
    tests = list(dict.fromkeys(test for guard in guards for test in guard.tests))
    green = copies[0].test(tests, GREEN_SECONDS)
    if green.red or green.said != "all passed":
        sys.exit(f"guards: as the code stands, the tests must pass: {green.red or green.said}")
    print(f"{len(tests)} tests pass as the code stands.", flush=True)
    free: SimpleQueue[Copy] = SimpleQueue()
    for copy in copies:
        free.put(copy)
    missed = 0
    with ThreadPoolExecutor(len(copies)) as pool:
        outcomes = pool.map(lambda guard: attempt(guard, free), guards)
        for guard, (outcome, seconds) in zip(guards, outcomes, strict=True):
            missed += outcome.red is None
            noticed = f"noticed by {outcome.red} in {seconds:.0f} s" if outcome.red else f"NOT NOTICED: {outcome.said}"
            print(f"{guard.name}: {noticed}", flush=True)
    print(
        f"{len(guards) - missed} of {len(guards)} guards are noticed when they are gone ({time.monotonic() - started:.0f} s)."
    )
    return 1 if missed else 0


def attempt(guard: Guard, free: SimpleQueue[Copy]) -> tuple[Outcome, float]:
    copy = free.get()
    started = time.monotonic()
    try:
        with copy.without(guard):
            return copy.test(guard.tests, GUARD_SECONDS), time.monotonic() - started
    finally:
        free.put(copy)


if __name__ == "__main__":
    sys.exit(main())
