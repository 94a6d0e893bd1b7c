"""The old names of the table in issue 13 are gone. To be deleted with the last commit of the issue."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OLD = """Door Turn Budget sign nobody told answered delivered Others beside Held Kept Private hold reserve clean _company
_alone _patience asking Taken Bad Letter marked kind_of cut apart whole Whole Real what Kind ListOf Fields MapOf Anything
independent Prepared prepare give_back_code keep_freed Offer offer AWAY ear Ear Heard Told step_back Marked Wanted fault
shown Judge Doubt patiently Pauses PASSING chosen of_nobody of_account TooSlow"""


@pytest.mark.parametrize("folder", ["functions", "scripts/modelserve_control"])
def test_no_definition_or_attribute_has_an_old_name(folder: str) -> None:
    found, names = set(), OLD.split()
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name in names:
                found.add((path.name, node.name))
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and node.attr in names:
                found.add((path.name, node.attr))
    assert sorted(found) == []
