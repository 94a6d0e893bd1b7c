"""The list of guards matches the code and the tests, and a run reports its outcome correctly."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from mutation.copies import Copy
from mutation.guard import Guard, ListError, load_guards, select

ROOT: Final = Path(__file__).parents[3]
GUARDS: Final = load_guards()


@cache
def functions(file: str) -> set[str]:
    tree = ast.parse((ROOT / file).read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_each_guard_occurs_once_in_its_file_and_its_tests_exist(guard: Guard) -> None:
    assert guard.remove((ROOT / guard.file).read_text())
    assert guard.code != guard.removed
    assert guard.tests
    for test in guard.tests:
        file, _, name = test.partition("::")
        assert (ROOT / file).exists(), test
        assert not name or name.partition("[")[0] in functions(file), test


def test_the_page_has_a_line_for_each_guard_with_one_of_its_tests() -> None:
    block = (ROOT / "docs/guards.md").read_text().split("```")[1].splitlines()[1:]
    lines = [re.fullmatch(r"(\S+): noticed by (\S.*) in \d+ s", line) for line in block]
    noticed = {line[1]: line[2] for line in lines if line}
    assert len(noticed) == len(block)
    names = {guard.name for guard in GUARDS}
    assert names - noticed.keys() == set(), "`scripts/guards NAME` gives the line for docs/guards.md"
    assert noticed.keys() - names == set(), "is no guard any more"
    for guard in GUARDS:
        by = noticed[guard.name]
        assert any(by == test or by.startswith((f"{test}[", f"{test}::")) for test in guard.tests), (guard.name, by)


def test_a_missing_or_duplicate_guard_is_an_error() -> None:
    guard = Guard("g", "f.py", "a == b", "True", ["t"])
    assert guard.remove("if a == b:") == "if True:"
    for text in ("if a != b:", "a == b or a == b"):
        with pytest.raises(ListError, match=r"g: its code occurs [02] times in f\.py, not once"):
            guard.remove(text)
    with pytest.raises(ListError, match="no guard other"):
        select([guard], ["other"])


TESTS: Final = {
    "green": ("def test_it(): pass", None, "all passed"),
    "red": ("def test_it(): assert 1 == 2", "test_planted.py::test_it", ""),
    "broken": ("import nothing_of_this_name", None, "an error and no failure"),
    "unprepared": (
        "import pytest\n@pytest.fixture\ndef one(): 1 / 0\ndef test_it(one): pass", None, "an error and no failure",
    ),
    "hanging": ("import time\ndef test_it(): time.sleep(60)", None, "still running after 3 s"),
}  # fmt: skip


@pytest.mark.parametrize("case", TESTS)
def test_only_a_failing_test_notices(tmp_path: Path, case: str) -> None:
    text, red, said = TESTS[case]
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    (tmp_path / "test_planted.py").write_text(text)
    found = Copy(tmp_path).test(["test_planted.py"], 3 if case == "hanging" else 60)
    assert found.failed_test == red
    assert found.reason.startswith(said)


def test_a_removed_guard_is_restored(tmp_path: Path) -> None:
    (tmp_path / "f.py").write_text("a == b")
    with Copy(tmp_path).remove_guard(Guard("g", "f.py", "a == b", "True", ["t"])):
        assert (tmp_path / "f.py").read_text() == "True"
    assert (tmp_path / "f.py").read_text() == "a == b"
