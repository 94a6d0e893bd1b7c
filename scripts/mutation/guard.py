"""The guards in `guards/*.toml`.

A guard is a piece of code that protects something. `code` occurs exactly once in `file`; `removed` replaces it, and then
one of `tests` must fail. To add a guard, add a table:

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
    """The list of guards does not match the code."""


@dataclass(frozen=True)
class Guard:
    name: str
    file: str
    code: str
    removed: str
    tests: Sequence[str]

    def remove(self, text: str) -> str:
        """The text of the file without the guard. Raises ListError unless `code` occurs exactly once."""
        found = text.count(self.code)
        if found != 1:
            raise ListError(f"{self.name}: its code occurs {found} times in {self.file}, not once.")
        return text.replace(self.code, self.removed)


def load_guards() -> list[Guard]:
    guards = [
        Guard(**table) for path in sorted(GUARDS.glob("*.toml")) for table in tomllib.loads(path.read_text())["guard"]
    ]
    names = [guard.name for guard in guards]
    if twins := sorted({name for name in names if names.count(name) > 1}):
        raise ListError(f"Two guards have the name {twins[0]}.")
    return guards


def select(guards: Sequence[Guard], names: Sequence[str]) -> list[Guard]:
    """The guards with these names, or all guards without names. Raises ListError for an unknown name."""
    if unknown := sorted(set(names) - {guard.name for guard in guards}):
        raise ListError(f"There is no guard {unknown[0]}; --list prints all names.")
    return [guard for guard in guards if not names or guard.name in names]
