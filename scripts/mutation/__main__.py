"""`scripts/guards [NAME...]`: remove each guard in turn, and run its tests.

All tests must pass before the first guard is removed. Then each guard gets one line with the test that failed and the
seconds it took, or with the reason why none failed. Two copies of the code are used in parallel. Exits with 1 if the
removal of a guard goes unnoticed.
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
COPIES: Final = 2
GUARD_SECONDS: Final = 240  # for the tests of one guard
GREEN_SECONDS: Final = 1_200  # for all tests with all guards


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        "scripts/guards", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these guards")
    parser.add_argument("--list", action="store_true", help="print each guard with its file and exit")
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
        return run(guards, [copy_checkout(CHECKOUT, Path(scratch, str(place))) for place in range(COPIES)])


def run(guards: Sequence[Guard], copies: Sequence[Copy]) -> int:
    started = time.monotonic()
    tests = list(dict.fromkeys(test for guard in guards for test in guard.tests))
    green = copies[0].test(tests, GREEN_SECONDS)
    if green.failed_test or green.reason != "all passed":
        sys.exit(f"guards: the tests must pass before a guard is removed: {green.failed_test or green.reason}")
    print(f"{len(tests)} tests pass with all guards.", flush=True)
    free: SimpleQueue[Copy] = SimpleQueue()
    for copy in copies:
        free.put(copy)
    missed = 0
    with ThreadPoolExecutor(len(copies)) as pool:
        outcomes = pool.map(lambda guard: attempt(guard, free), guards)
        for guard, (outcome, seconds) in zip(guards, outcomes, strict=True):
            missed += outcome.failed_test is None
            noticed = (
                f"noticed by {outcome.failed_test} in {seconds:.0f} s"
                if outcome.failed_test
                else f"NOT NOTICED: {outcome.reason}"
            )
            print(f"{guard.name}: {noticed}", flush=True)
    print(
        f"The tests notice the removal of {len(guards) - missed} of {len(guards)} guards ({time.monotonic() - started:.0f} s)."
    )
    return 1 if missed else 0


def attempt(guard: Guard, free: SimpleQueue[Copy]) -> tuple[Outcome, float]:
    copy = free.get()
    started = time.monotonic()
    try:
        with copy.remove_guard(guard):
            return copy.test(guard.tests, GUARD_SECONDS), time.monotonic() - started
    finally:
        free.put(copy)


if __name__ == "__main__":
    sys.exit(main())
