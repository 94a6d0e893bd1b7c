"""docs/promises.md has every row, and the tests that the pages of reliability name are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = (ROOT / "docs/promises.md").read_text()
PAGES: Final = PAGE + (ROOT / "docs/reliability.md").read_text()
NAMED: Final = sorted(set(re.findall(r"`(tests/[\w/]+\.py::\w+)`", PAGES)))


def test_every_row_is_there_once() -> None:
    assert re.findall(r"^\| (R\d+) \|", PAGE, re.MULTILINE) == [f"R{number}" for number in range(1, 31)]


@pytest.mark.parametrize("test", NAMED)
def test_what_is_named_is_a_test(test: str) -> None:
    file, _, name = test.partition("::")
    tree = ast.parse((ROOT / file).read_text())
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
