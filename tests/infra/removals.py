"""Take away each grant, API, account of Google and thing that a `depends_on` names, and look whether it is missed.

`PYTHONPATH=tests:scripts:functions .venv/bin/python -m infra.removals` says it for each. What a `depends_on` names costs
an apply from nothing, so this is not part of the tests, and `infra.removals 14 20` tries only those from the 14th to the
20th; `infra.removals 0 0` tries grants, APIs and accounts, as test_apply.py does.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from infra.conftest import NEWEST
from infra.environments import project
from infra.terraform import SOURCE, Change

BLOCK: Final = re.compile(r'^(?:resource|data|module) "[^\n]*\{$.*?^\}', re.MULTILINE | re.DOTALL)
DEPENDS_ON: Final = re.compile(r"depends_on += \[(.*?)\]( *#[^\n]*)?\n", re.DOTALL)
ELEMENT: Final = re.compile(r"[a-z][\w.]+")


def waits() -> Iterator[tuple[str, Change]]:
    """The block and what it waits for, and the change that lets it not wait."""
    for path in sorted(SOURCE.rglob("*.tf")):
        for block in BLOCK.findall(path.read_text()):
            for listed in DEPENDS_ON.finditer(block):
                for element in ELEMENT.finditer(re.sub(r"#[^\n]*", "", listed[1])):
                    without = re.sub(rf"{re.escape(element[0])}\s*,?", "", listed[0], count=1)
                    name = ".".join(re.findall(r'"(\w+)"', block.partition("\n")[0]))
                    changed = block.replace(listed[0], without)
                    yield f"{name} without {element[0]}", Change(path.relative_to(SOURCE).as_posix(), block, changed)


def complaint(change: Change) -> str | None:
    """What is refused, or went well only by luck."""
    with TemporaryDirectory() as directory, project("everything", NEWEST, Path(directory), change) as made:
        try:
            made.bootstrap()
            made.apply()
        except AssertionError as refused:
            return str(refused)
        return next(iter(made.luck()), None)


def without_one() -> Iterator[tuple[str, str | None]]:
    """Each grant, API and account, and what its absence breaks."""
    with TemporaryDirectory() as directory, project("everything", NEWEST, Path(directory)) as made:
        made.bootstrap()
        made.apply()
        for key, refusal in made.without_each():
            held = "another grant has the permission, too" if made.is_held_twice(key) else None
            yield " ".join(key) if isinstance(key, tuple) else str(key), refusal or held


def main(first: int = 0, last: int = 1000) -> int:
    tried = needless = 0
    found: Iterator[tuple[str, str | None]] = without_one() if first == 0 else iter(())
    changes = list(waits())[max(first - 1, 0) : last]
    for name, said in chain(found, ((name, complaint(change)) for name, change in changes)):
        tried += 1
        needless += said is None
        said = said or "NOTHING MISSES IT"
        [reason, *_] = re.findall(r"Error: (?:\x1b\[[0-9;]*m)*([^\n\x1b]+)", said) or [said]
        print(f"{name}: {reason}", flush=True)
    print(f"{tried} were taken away, nothing misses {needless}")
    return min(needless, 1)


if __name__ == "__main__":
    raise SystemExit(main(*map(int, sys.argv[1:])))
