"""The guards, as they stand in `guards/*.toml`.

A guard is a piece of code that something relies on without seeing it: `code` stands exactly once in `file`, and `removed`
is what stands there when the guard is gone. One of `tests` must fail then. To add one, add a table:

    [[guard]]
    name = "request-bytes"
    file = "functions/modelserve/http/bodies.py"
    code = "if size > limit:"
    removed = "if False:"
    tests = ["tests/unit/modelserve/http/test_bodies.py::test_a_body_in_chunks_is_left_at_its_limit"]
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

GUARDS: Final = Path(__file__).with_name("guards")


class ListError(Exception):
    """The list of guards does not fit the code; the message says where."""


@dataclass(frozen=True)
class Guard:
    name: str
    file: str
    code: str
    removed: str
    tests: Sequence[str]

    def remove(self, text: str) -> str:
        """The file's text without the guard. Raises ListError unless it stands there exactly once."""
        found = text.count(self.code)
        if found != 1:
            raise ListError(f"{self.name}: its code stands {found} times in {self.file}, not once.")
        return text.replace(self.code, self.removed)


def load_guards() -> list[Guard]:
    guards = [
        Guard(**table) for path in sorted(GUARDS.glob("*.toml")) for table in tomllib.loads(path.read_text())["guard"]
    ]
    names = [guard.name for guard in guards]
    if twins := sorted({name for name in names if names.count(name) > 1}):
        raise ListError(f"Two guards are called {twins[0]}.")
    return guards


def select(guards: Sequence[Guard], names: Sequence[str]) -> list[Guard]:
    """Those of the names, or all of them. Raises ListError for a name that there is not."""
    if unknown := sorted(set(names) - {guard.name for guard in guards}):
        raise ListError(f"There is no guard {unknown[0]}; --list prints their names.")
    return [guard for guard in guards if not names or guard.name in names]
